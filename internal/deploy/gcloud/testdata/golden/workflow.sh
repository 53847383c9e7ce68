#!/usr/bin/env bash
# Written by: headgate deploy gcloud. Run it again after a change: it makes what is missing,
# and updates what there is.
#   bash deploy.sh [CONFIGURATION]
set -euo pipefail

config=${1:-config.json}
project=acme-data
region=europe-west3
export CLOUDSDK_CORE_PROJECT=$project CLOUDSDK_CORE_DISABLE_PROMPTS=1
runtime=headgate@acme-data.iam.gserviceaccount.com # the account that Headgate runs as
caller=headgate-caller@acme-data.iam.gserviceaccount.com # the account that calls it
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# have reports whether the thing that is described exists.
have() { "$@" >/dev/null 2>&1; }

# bind grants a role without printing the whole policy.
bind() { "$@" >/dev/null; }

# url prints the address of a service.
url() { gcloud run services describe "$1" --region="$region" --format='value(status.url)'; }


# The services of Google Cloud.
gcloud services enable run.googleapis.com firestore.googleapis.com pubsub.googleapis.com secretmanager.googleapis.com cloudscheduler.googleapis.com iam.googleapis.com monitoring.googleapis.com logging.googleapis.com

# Accounts.
have gcloud iam service-accounts describe headgate@acme-data.iam.gserviceaccount.com ||
  gcloud iam service-accounts create headgate --display-name=Headgate
have gcloud iam service-accounts describe headgate-caller@acme-data.iam.gserviceaccount.com ||
  gcloud iam service-accounts create headgate-caller --display-name='Callers of Headgate'

# The database. The settings make it faster and cheaper.
have gcloud firestore databases describe --database=headgate ||
  gcloud firestore databases create --database=headgate --location="$region" --delete-protection
gcloud firestore indexes fields update data --collection-group=headgate-events --database=headgate --async --disable-indexes
gcloud firestore indexes fields update expireAt --collection-group=headgate-events --database=headgate --async --disable-indexes
gcloud firestore fields ttls update expireAt --collection-group=headgate-events --database=headgate --async --enable-ttl
gcloud firestore indexes fields update data --collection-group=headgate-messages --database=headgate --async --disable-indexes
gcloud firestore indexes fields update expireAt --collection-group=headgate-messages --database=headgate --async --disable-indexes
gcloud firestore fields ttls update expireAt --collection-group=headgate-messages --database=headgate --async --enable-ttl
gcloud firestore indexes fields update data --collection-group=headgate-docs --database=headgate --async --disable-indexes
gcloud firestore fields ttls update expireAt --collection-group=headgate-docs --database=headgate --async --enable-ttl
gcloud firestore indexes fields update data --collection-group=headgate-parts --database=headgate --async --disable-indexes
gcloud firestore fields ttls update expireAt --collection-group=headgate-parts --database=headgate --async --enable-ttl

# Topics, and the subscriptions of consumers.
have gcloud pubsub topics describe loads || gcloud pubsub topics create loads
have gcloud pubsub topics describe headgate-undelivered || gcloud pubsub topics create headgate-undelivered
number=$(gcloud projects describe "$project" --format='value(projectNumber)')
pubsub=service-$number@gcp-sa-pubsub.iam.gserviceaccount.com # Pub/Sub's own account

# subscription NAME TOPIC FLAGS…
subscription() {
  local name=$1 at=$2
  shift 2
  if have gcloud pubsub subscriptions describe "$name"; then
    gcloud pubsub subscriptions update "$name" "$@"
  else
    gcloud pubsub subscriptions create "$name" --topic="$at" "$@"
  fi
}

subscription loads-consumer loads \
  --expiration-period=never \
  --ack-deadline=60 \
  --min-retry-delay=10s --max-retry-delay=600s \
  --dead-letter-topic=headgate-undelivered --max-delivery-attempts=100
bind gcloud pubsub subscriptions add-iam-policy-binding loads-consumer --member="serviceAccount:$pubsub" --role=roles/pubsub.subscriber
subscription headgate-undelivered headgate-undelivered \
  --expiration-period=never \
  --ack-deadline=60

# Secrets: the configuration, and what it calls env:NAME.
# secret ID FILE
secret() {
  have gcloud secrets describe "$1" || gcloud secrets create "$1" --replication-policy=automatic
  if ! gcloud secrets versions access latest --secret="$1" 2>/dev/null | cmp -s - "$2"; then
    gcloud secrets versions add "$1" --data-file="$2"
  fi
}

# version ID prints the number of the latest version: an instance that starts later gets the
# same value.
version() {
  local name
  name=$(gcloud secrets versions describe latest --secret="$1" --format='value(name)')
  echo "${name##*/}"
}

# from_environment VARIABLE ID
from_environment() {
  if printenv "$1" >/dev/null; then
    printf %s "$(printenv "$1")" >"$scratch/secret"
    secret "$2" "$scratch/secret"
  elif ! have gcloud secrets versions describe latest --secret="$2"; then
    echo "set $1 in the environment: the configuration refers to env:$1, and the secret $2 has no value yet" >&2
    exit 1
  fi
}

secret headgate-config "$config"

# What Headgate may do.
bind gcloud projects add-iam-policy-binding "$project" --condition='expression=resource.name=="projects/acme-data/databases/headgate",title=headgate-database' --member="serviceAccount:$runtime" --role=roles/datastore.user
bind gcloud secrets add-iam-policy-binding headgate-config --member="serviceAccount:$runtime" --role=roles/secretmanager.secretAccessor
bind gcloud pubsub topics add-iam-policy-binding loads --member="serviceAccount:$runtime" --role=roles/pubsub.publisher
bind gcloud projects add-iam-policy-binding "$project" --condition=None --member="serviceAccount:$runtime" --role=roles/workflows.invoker

# Cloud Run.
# deploy SERVICE FLAGS…
deploy() {
  gcloud run deploy "$@" --region="$region" \
    --source=. \
    --service-account="$runtime" \
    --set-secrets="$secrets" \
    --set-env-vars=CONFIG_FILE=/etc/headgate/config.json,GOOGLE_CLOUD_PROJECT="$project" \
    --port=8080 --cpu=1 --cpu-boost \
    --startup-probe=httpGet.path=/readyz,httpGet.port=8080,periodSeconds=2,timeoutSeconds=2,failureThreshold=60 \
    --liveness-probe=httpGet.path=/healthz,httpGet.port=8080,periodSeconds=60,timeoutSeconds=10,failureThreshold=3
}
secrets="/etc/headgate/config.json=headgate-config:$(version headgate-config)"
deploy headgate --args=--database=headgate --concurrency=200 --max-instances=10 --timeout=300 --memory=1Gi --no-session-affinity --cpu-throttling --no-allow-unauthenticated
url_headgate=$(url headgate)

# Who calls Headgate, and what else is called.
bind gcloud pubsub topics add-iam-policy-binding headgate-undelivered --member="serviceAccount:$pubsub" --role=roles/pubsub.publisher
bind gcloud run services add-iam-policy-binding headgate --region=europe-west3 --member="serviceAccount:$caller" --role=roles/run.invoker

# Jobs of Cloud Scheduler.
# job NAME LOCATION FLAGS…
job() {
  local name=$1 at=$2
  shift 2
  if have gcloud scheduler jobs describe "$name" --location="$at"; then
    gcloud scheduler jobs update http "$name" --location="$at" "$@"
  else
    gcloud scheduler jobs create http "$name" --location="$at" "$@"
  fi
}

job headgate-sweep "$region" --schedule='* * * * *' --time-zone=Etc/UTC \
  --http-method=post --uri="$url_headgate"/sweep \
  --attempt-deadline=300s \
  --oidc-service-account-email="$caller" --oidc-token-audience="$url_headgate"
job headgate-webhooks "$region" --schedule='* * * * *' --time-zone=Etc/UTC \
  --http-method=post --uri="$url_headgate"/webhooks/sweep \
  --attempt-deadline=120s \
  --oidc-service-account-email="$caller" --oidc-token-audience="$url_headgate"

# Done.
echo "headgate: $url_headgate"
