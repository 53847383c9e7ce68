// @ts-check
// What to do about an error, in words and as a command. It knows what Headgate's own errors
// look like. An error that it does not know has no remedy.

/**
 * @typedef {{words: string, command?: string}} Step
 */

/** What the server says in the page of itself, or "". @param {string} name */
const known = (name) => /** @type {HTMLMetaElement|null} */ (document.querySelector(`meta[name="${name}"]`))?.content ?? "";

/** The variables by which gcloud talks to the Pub/Sub emulator, where the server uses one. */
function emulated() {
  const host = known("pubsub-emulator");
  return host ? `CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB=http://${host}/ ` : "";
}

/** The flag that names the project. The page is for everybody, so it does not know it: without the variable, a shell runs nothing. */
const PROJECT_FLAG = '--project "${PROJECT:?set it to the id of the project}"';

/** The command that shows whether the store answers: one for Firestore, one for its emulator, and none for a file. */
function lookAtStore() {
  const firestore = known("firestore");
  if (!firestore) return undefined;
  return firestore === "cloud" ? `gcloud firestore databases list ${PROJECT_FLAG}` : `curl http://${firestore}/`;
}

const TOPIC = /projects\/([a-z0-9:.-]+)\/topics\/([A-Za-z][A-Za-z0-9._~%+-]*)/;

/** @param {string} text of an error @returns {Step|null} */
export function remedy(text) {
  const [, project, topic] = TOPIC.exec(text) ?? [];
  if (/no such topic|does not exist|NotFound/.test(text) && topic) {
    return { words: "create the topic. What waits is published then.", command: `${emulated()}gcloud pubsub topics create ${topic} --project ${project}` };
  }
  if (/PermissionDenied|permission/i.test(text)) {
    return topic
      ? { words: "let the service's account publish to the topic.", command: `gcloud pubsub topics add-iam-policy-binding ${topic} --project ${project} --role roles/pubsub.publisher --member "serviceAccount:\${ACCOUNT:?set it to the account of the service}"` }
      : { words: "give the service's account the role that it lacks: docs/deploy.md lists them." };
  }
  if (/the bus does not answer/.test(text)) return { words: "see whether Pub/Sub answers. Events are stored meanwhile, and messages wait.", command: `${emulated()}gcloud pubsub topics list ${PROJECT_FLAG}` };
  if (/the store (takes no writes|did not answer|does not answer)|could not be read/.test(text)) {
    return { words: "see whether the database exists and the service's account may use it; on one machine, whether the disk is full or read-only. Sources get 503 and send again.", command: lookAtStore() };
  }
  if (/does not respond/.test(text)) return { words: "see whether the process runs, and whether you are online." };
  if (/signals of other instances/.test(text)) return { words: "see whether the topic of live.topic exists and the service's account may subscribe to it." };
  return null;
}

/** What to do about the error of a message's target: it is of another system, as a sync's source is. @param {string} text @returns {Step|null} */
export function targetRemedy(text) {
  if (/ (does|did) not answer|there is no host|cannot be resolved/.test(text)) return { words: "see whether the target runs and can be reached. It is called again by itself, and Replay calls it at once." };
  if (/ answers [345]\d\d\b/.test(text)) return { words: "see the log of the target, and correct it or its settings. It is called again by itself, and Replay calls it at once." };
  return null;
}
