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

# Note: the secret projects/acme-data/secrets/wells must exist: the configuration refers to it.
# Note: the secret projects/acme-ops/secrets/live must exist: the configuration refers to it.
# Note: the topic projects/acme-ops/topics/on-call must exist: it belongs to another project.
# Note: let headgate@acme-data.iam.gserviceaccount.com call api.example.com: it is a target with oidc, and its URL does not tell which service it is.
# Note: a run of a sync stops with the request that started it, and goes on a minute later: with sync.workTopic the next request follows at once.
# Note: the topic projects/acme-lake/topics/files must exist: it belongs to another project.
# Note: only callers with the role roles/run.invoker reach Headgate: pages, and senders of webhooks outside Google Cloud, need auth in the configuration.

# The services of Google Cloud.
gcloud services enable run.googleapis.com firestore.googleapis.com pubsub.googleapis.com secretmanager.googleapis.com cloudscheduler.googleapis.com iam.googleapis.com monitoring.googleapis.com logging.googleapis.com cloudtasks.googleapis.com eventarc.googleapis.com storage.googleapis.com cloudbuild.googleapis.com artifactregistry.googleapis.com

# Accounts.
have gcloud iam service-accounts describe headgate@acme-data.iam.gserviceaccount.com ||
  gcloud iam service-accounts create headgate --display-name=Headgate
have gcloud iam service-accounts describe headgate-caller@acme-data.iam.gserviceaccount.com ||
  gcloud iam service-accounts create headgate-caller --display-name='Callers of Headgate'
have gcloud iam service-accounts describe headgate-builder@acme-data.iam.gserviceaccount.com ||
  gcloud iam service-accounts create headgate-builder --display-name='Builds Headgate'
bind gcloud projects add-iam-policy-binding "$project" --condition=None --member=serviceAccount:headgate-builder@acme-data.iam.gserviceaccount.com --role=roles/run.builder
if have gcloud iam roles describe headgateLive --project="$project"; then
  gcloud iam roles update headgateLive --project="$project" --permissions=pubsub.subscriptions.consume,pubsub.subscriptions.create,pubsub.subscriptions.delete,pubsub.subscriptions.get,pubsub.topics.attachSubscription
else
  gcloud iam roles create headgateLive --project="$project" --permissions=pubsub.subscriptions.consume,pubsub.subscriptions.create,pubsub.subscriptions.delete,pubsub.subscriptions.get,pubsub.topics.attachSubscription --title='Instances of Headgate that push changes'
fi

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
have gcloud pubsub topics describe ship-order || gcloud pubsub topics create ship-order
have gcloud pubsub topics describe headgate-undelivered || gcloud pubsub topics create headgate-undelivered
have gcloud pubsub topics describe orders-dead || gcloud pubsub topics create orders-dead
have gcloud pubsub topics describe wells || gcloud pubsub topics create wells
have gcloud pubsub topics describe headgate-live || gcloud pubsub topics create headgate-live
have gcloud pubsub topics describe orders || gcloud pubsub topics create orders
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

subscription ship-order-consumer ship-order \
  --expiration-period=never \
  --ack-deadline=60 \
  --min-retry-delay=10s --max-retry-delay=600s \
  --dead-letter-topic=headgate-undelivered --max-delivery-attempts=100
bind gcloud pubsub subscriptions add-iam-policy-binding ship-order-consumer --member="serviceAccount:$pubsub" --role=roles/pubsub.subscriber
subscription headgate-undelivered headgate-undelivered \
  --expiration-period=never \
  --ack-deadline=60
subscription orders-dead-consumer orders-dead \
  --expiration-period=never \
  --ack-deadline=60 \
  --min-retry-delay=10s --max-retry-delay=600s \
  --dead-letter-topic=headgate-undelivered --max-delivery-attempts=100
bind gcloud pubsub subscriptions add-iam-policy-binding orders-dead-consumer --member="serviceAccount:$pubsub" --role=roles/pubsub.subscriber
subscription wells-consumer wells \
  --expiration-period=never \
  --ack-deadline=60 \
  --min-retry-delay=10s --max-retry-delay=600s \
  --dead-letter-topic=headgate-undelivered --max-delivery-attempts=100
bind gcloud pubsub subscriptions add-iam-policy-binding wells-consumer --member="serviceAccount:$pubsub" --role=roles/pubsub.subscriber

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
from_environment GITHUB_SECRET headgate-env-GITHUB_SECRET
from_environment HOOK_SECRET headgate-env-HOOK_SECRET
from_environment HOOK_SECRET_FORMER headgate-env-HOOK_SECRET_FORMER

# Queues of tasks that close windows.
# queue NAME LOCATION FLAGS…
queue() {
  local name=$1 at=$2
  shift 2
  if have gcloud tasks queues describe "$name" --location="$at"; then
    gcloud tasks queues update "$name" --location="$at" "$@"
  else
    gcloud tasks queues create "$name" --location="$at" "$@"
  fi
}

queue headgate-windows europe-west3 --max-attempts=10 --min-backoff=1s

# What Headgate may do.
bind gcloud projects add-iam-policy-binding "$project" --condition='expression=resource.name=="projects/acme-data/databases/headgate",title=headgate-database' --member="serviceAccount:$runtime" --role=roles/datastore.user
bind gcloud secrets add-iam-policy-binding headgate-config --member="serviceAccount:$runtime" --role=roles/secretmanager.secretAccessor
bind gcloud secrets add-iam-policy-binding headgate-env-GITHUB_SECRET --member="serviceAccount:$runtime" --role=roles/secretmanager.secretAccessor
bind gcloud secrets add-iam-policy-binding headgate-env-HOOK_SECRET --member="serviceAccount:$runtime" --role=roles/secretmanager.secretAccessor
bind gcloud secrets add-iam-policy-binding headgate-env-HOOK_SECRET_FORMER --member="serviceAccount:$runtime" --role=roles/secretmanager.secretAccessor
bind gcloud secrets add-iam-policy-binding wells --member="serviceAccount:$runtime" --role=roles/secretmanager.secretAccessor
bind gcloud secrets add-iam-policy-binding live --project=acme-ops --member="serviceAccount:$runtime" --role=roles/secretmanager.secretAccessor
bind gcloud pubsub topics add-iam-policy-binding ship-order --member="serviceAccount:$runtime" --role=roles/pubsub.publisher
bind gcloud pubsub topics add-iam-policy-binding orders-dead --member="serviceAccount:$runtime" --role=roles/pubsub.publisher
bind gcloud pubsub topics add-iam-policy-binding on-call --project=acme-ops --member="serviceAccount:$runtime" --role=roles/pubsub.publisher
bind gcloud pubsub topics add-iam-policy-binding wells --member="serviceAccount:$runtime" --role=roles/pubsub.publisher
bind gcloud pubsub topics add-iam-policy-binding headgate-live --member="serviceAccount:$runtime" --role=roles/pubsub.publisher
bind gcloud projects add-iam-policy-binding "$project" --condition=None --member="serviceAccount:$runtime" --role="projects/$project/roles/headgateLive"
bind gcloud run services add-iam-policy-binding alerts --region=europe-west3 --member="serviceAccount:$runtime" --role=roles/run.invoker
bind gcloud projects add-iam-policy-binding "$project" --condition=None --member="serviceAccount:$runtime" --role=roles/workflows.invoker
bind gcloud tasks queues add-iam-policy-binding later --location=europe-west3 --project=acme-ops --member="serviceAccount:$runtime" --role=roles/cloudtasks.enqueuer
bind gcloud run jobs add-iam-policy-binding load --region=europe-west3 --member="serviceAccount:$runtime" --role=roles/run.jobsExecutorWithOverrides
bind gcloud tasks queues add-iam-policy-binding headgate-windows --location=europe-west3 --member="serviceAccount:$runtime" --role=roles/cloudtasks.enqueuer
bind gcloud iam service-accounts add-iam-policy-binding headgate-caller@acme-data.iam.gserviceaccount.com --member="serviceAccount:$runtime" --role=roles/iam.serviceAccountUser
bind gcloud storage buckets add-iam-policy-binding gs://acme-wells --member="serviceAccount:$runtime" --role=roles/storage.objectViewer

# Cloud Run.
# deploy SERVICE FLAGS…
deploy() {
  gcloud run deploy "$@" --region="$region" \
    --source=. --build-service-account="projects/$project/serviceAccounts/headgate-builder@acme-data.iam.gserviceaccount.com" \
    --service-account="$runtime" \
    --set-secrets="$secrets" \
    --set-env-vars=CONFIG_FILE=/etc/headgate/config.json,GOOGLE_CLOUD_PROJECT="$project" \
    --port=8080 --cpu=1 --cpu-boost \
    --startup-probe=httpGet.path=/readyz,httpGet.port=8080,periodSeconds=2,timeoutSeconds=2,failureThreshold=60 \
    --liveness-probe=httpGet.path=/healthz,httpGet.port=8080,periodSeconds=60,timeoutSeconds=10,failureThreshold=3
}
secrets="/etc/headgate/config.json=headgate-config:$(version headgate-config),GITHUB_SECRET=headgate-env-GITHUB_SECRET:$(version headgate-env-GITHUB_SECRET),HOOK_SECRET=headgate-env-HOOK_SECRET:$(version headgate-env-HOOK_SECRET),HOOK_SECRET_FORMER=headgate-env-HOOK_SECRET_FORMER:$(version headgate-env-HOOK_SECRET_FORMER)"
deploy headgate --args=--database=headgate --concurrency=200 --max-instances=10 --timeout=3600 --memory=1Gi --session-affinity --no-cpu-throttling --no-allow-unauthenticated
url_headgate=$(url headgate)

# Who calls Headgate, and what else is called.
bind gcloud pubsub topics add-iam-policy-binding headgate-undelivered --member="serviceAccount:$pubsub" --role=roles/pubsub.publisher
bind gcloud projects add-iam-policy-binding "$project" --condition=None --member="serviceAccount:$caller" --role=roles/eventarc.eventReceiver
bind gcloud projects add-iam-policy-binding "$project" --condition=None --member="serviceAccount:$(gcloud storage service-agent)" --role=roles/pubsub.publisher
bind gcloud run services add-iam-policy-binding headgate --region=europe-west3 --member="serviceAccount:$caller" --role=roles/run.invoker
subscription headgate-sync-wells wells \
  --expiration-period=never \
  --ack-deadline=600 \
  --push-endpoint="$url_headgate"/sync/message \
  --push-auth-service-account="$caller" \
  --push-auth-token-audience="$url_headgate" \
  --min-retry-delay=10s --max-retry-delay=600s \
  --dead-letter-topic=headgate-undelivered --max-delivery-attempts=100
bind gcloud pubsub subscriptions add-iam-policy-binding headgate-sync-wells --member="serviceAccount:$pubsub" --role=roles/pubsub.subscriber
subscription headgate-source-order orders \
  --expiration-period=never \
  --ack-deadline=600 \
  --push-endpoint="$url_headgate"/event/order \
  --push-auth-service-account="$caller" \
  --push-auth-token-audience="$url_headgate" \
  --min-retry-delay=10s --max-retry-delay=600s \
  --dead-letter-topic=headgate-undelivered --max-delivery-attempts=100
bind gcloud pubsub subscriptions add-iam-policy-binding headgate-source-order --member="serviceAccount:$pubsub" --role=roles/pubsub.subscriber
subscription headgate-source-bucket projects/acme-lake/topics/files \
  --expiration-period=never \
  --ack-deadline=600 \
  --push-endpoint="$url_headgate"'/services/it%27s%20$%7Ba%7D%20second%2Fone/feed/bucket' \
  --push-auth-service-account="$caller" \
  --push-auth-token-audience="$url_headgate" \
  --min-retry-delay=10s --max-retry-delay=600s \
  --dead-letter-topic=headgate-undelivered --max-delivery-attempts=100
bind gcloud pubsub subscriptions add-iam-policy-binding headgate-source-bucket --member="serviceAccount:$pubsub" --role=roles/pubsub.subscriber

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
job headgate-sweep-it-s---a--second-one "$region" --schedule='* * * * *' --time-zone=Etc/UTC \
  --http-method=post --uri="$url_headgate"'/services/it%27s%20$%7Ba%7D%20second%2Fone/sweep' \
  --attempt-deadline=300s \
  --oidc-service-account-email="$caller" --oidc-token-audience="$url_headgate"
job headgate-sync "$region" --schedule='* * * * *' --time-zone=Etc/UTC \
  --http-method=post --uri="$url_headgate"/sync/due \
  --attempt-deadline=300s \
  --oidc-service-account-email="$caller" --oidc-token-audience="$url_headgate"
job headgate-webhooks "$region" --schedule='* * * * *' --time-zone=Etc/UTC \
  --http-method=post --uri="$url_headgate"/webhooks/sweep \
  --attempt-deadline=120s \
  --oidc-service-account-email="$caller" --oidc-token-audience="$url_headgate"
job headgate-source-nightly "$region" --schedule='0 3 * * *' --time-zone=Europe/Berlin \
  --http-method=post --uri="$url_headgate"/event/nightly \
  --attempt-deadline=60s --max-retry-attempts=5 --min-backoff=10s \
  --oidc-service-account-email="$caller" --oidc-token-audience="$url_headgate"

# Triggers of Eventarc.
# trigger NAME LOCATION FLAGS…
trigger() {
  local name=$1 at=$2
  shift 2
  if have gcloud eventarc triggers describe "$name" --location="$at"; then
    gcloud eventarc triggers update "$name" --location="$at" "$@"
  else
    gcloud eventarc triggers create "$name" --location="$at" "$@"
  fi
}

trigger headgate-source-stock-eu eu --service-account="$caller" \
  --event-filters=type=google.cloud.storage.object.v1.finalized \
  --event-filters=bucket=acme-stock \
  --destination-run-service=headgate --destination-run-region="$region" \
  --destination-run-path=/event/stock/eu

# Metrics of the log, the dashboard, and alerts. NOTIFICATION_CHANNELS, or Cloud Monitoring, says who is told.
# metric NAME
metric() {
  cat >"$scratch/metric.json"
  if have gcloud logging metrics describe "$1"; then
    gcloud logging metrics update "$1" --config-from-file="$scratch/metric.json"
  else
    gcloud logging metrics create "$1" --config-from-file="$scratch/metric.json"
  fi
}

# dashboard ID. The etag says which one is replaced.
dashboard() {
  local etag
  cat >"$scratch/dashboard.json"
  if etag=$(gcloud monitoring dashboards describe "$1" --format='value(etag)' 2>/dev/null); then
    sed -i.bak "1s/{/{\"etag\": \"$etag\",/" "$scratch/dashboard.json"
    gcloud monitoring dashboards update "$1" --config-from-file="$scratch/dashboard.json"
  else
    gcloud monitoring dashboards create --config-from-file="$scratch/dashboard.json"
  fi
}

# alert TITLE. An update replaces the whole policy, so it repeats the channels that are told.
alert() {
  local policy channels=${NOTIFICATION_CHANNELS-}
  cat >"$scratch/alert.json"
  policy=$(gcloud alpha monitoring policies list --filter="displayName=\"$1\"" --format='value(name)')
  if [ -n "$policy" ]; then
    channels=${channels:-$(gcloud alpha monitoring policies list --filter="displayName=\"$1\"" --format='value(notificationChannels.list())')}
    gcloud alpha monitoring policies update "$policy" --policy-from-file="$scratch/alert.json" \
      ${channels:+"--set-notification-channels=$channels"}
  else
    gcloud alpha monitoring policies create --policy-from-file="$scratch/alert.json" \
      ${channels:+"--notification-channels=$channels"}
  fi
}

metric headgate.messages <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000
      ]
    }
  },
  "description": "Windows that were released, by the reason.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.messages\"",
  "labelExtractors": {
    "completion": "EXTRACT(jsonPayload.labels.completion)",
    "service": "EXTRACT(jsonPayload.labels.service)"
  },
  "metricDescriptor": {
    "labels": [
      {
        "key": "service",
        "valueType": "STRING"
      },
      {
        "key": "completion",
        "valueType": "STRING"
      }
    ],
    "metricKind": "DELTA",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.messages",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.events.expired <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000
      ]
    }
  },
  "description": "Events that left the window without a message.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.events.expired\"",
  "labelExtractors": {
    "endpoint": "EXTRACT(jsonPayload.labels.endpoint)",
    "service": "EXTRACT(jsonPayload.labels.service)"
  },
  "metricDescriptor": {
    "labels": [
      {
        "key": "service",
        "valueType": "STRING"
      },
      {
        "key": "endpoint",
        "valueType": "STRING"
      }
    ],
    "metricKind": "DELTA",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.events.expired",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.sweep.duration <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        0.1,
        0.5,
        1,
        5,
        10,
        30,
        60,
        300,
        600,
        1800,
        3600,
        7200,
        86400
      ]
    }
  },
  "description": "Sweeps of a service.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.sweep.duration\"",
  "labelExtractors": {
    "result": "EXTRACT(jsonPayload.labels.result)",
    "service": "EXTRACT(jsonPayload.labels.service)"
  },
  "metricDescriptor": {
    "labels": [
      {
        "key": "service",
        "valueType": "STRING"
      },
      {
        "key": "result",
        "valueType": "STRING"
      }
    ],
    "metricKind": "DELTA",
    "unit": "s",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.sweep.duration",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.backlog <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000
      ]
    }
  },
  "description": "Messages that a target does not have yet.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.backlog\"",
  "labelExtractors": {
    "service": "EXTRACT(jsonPayload.labels.service)"
  },
  "metricDescriptor": {
    "labels": [
      {
        "key": "service",
        "valueType": "STRING"
      }
    ],
    "metricKind": "DELTA",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.backlog",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.backlog.age <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        0.1,
        0.5,
        1,
        5,
        10,
        30,
        60,
        300,
        600,
        1800,
        3600,
        7200,
        86400
      ]
    }
  },
  "description": "The age of the oldest of these messages.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.backlog.age\"",
  "labelExtractors": {
    "service": "EXTRACT(jsonPayload.labels.service)"
  },
  "metricDescriptor": {
    "labels": [
      {
        "key": "service",
        "valueType": "STRING"
      }
    ],
    "metricKind": "DELTA",
    "unit": "s",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.backlog.age",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.webhook.deliveries.pending <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000
      ]
    }
  },
  "description": "Webhooks that a registered URL does not have yet.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.webhook.deliveries.pending\"",
  "metricDescriptor": {
    "metricKind": "DELTA",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.webhook.deliveries.pending",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.webhook.targets.paused <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000
      ]
    }
  },
  "description": "Registered URLs that failed for two days, and are not called any more.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.webhook.targets.paused\"",
  "metricDescriptor": {
    "metricKind": "DELTA",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.webhook.targets.paused",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.sync.rows <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000
      ]
    }
  },
  "description": "Rows that runs read or wrote, by what became of them.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.sync.rows\"",
  "labelExtractors": {
    "direction": "EXTRACT(jsonPayload.labels.direction)",
    "result": "EXTRACT(jsonPayload.labels.result)",
    "sync": "EXTRACT(jsonPayload.labels.sync)"
  },
  "metricDescriptor": {
    "labels": [
      {
        "key": "sync",
        "valueType": "STRING"
      },
      {
        "key": "direction",
        "valueType": "STRING"
      },
      {
        "key": "result",
        "valueType": "STRING"
      }
    ],
    "metricKind": "DELTA",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.sync.rows",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.sync.run.duration <<'JSON'
{
  "bucketOptions": {
    "explicitBuckets": {
      "bounds": [
        0.1,
        0.5,
        1,
        5,
        10,
        30,
        60,
        300,
        600,
        1800,
        3600,
        7200,
        86400
      ]
    }
  },
  "description": "Runs of syncs, from their start to their end.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=\"measured\" AND jsonPayload.metric=\"headgate.sync.run.duration\"",
  "labelExtractors": {
    "state": "EXTRACT(jsonPayload.labels.state)",
    "sync": "EXTRACT(jsonPayload.labels.sync)"
  },
  "metricDescriptor": {
    "labels": [
      {
        "key": "sync",
        "valueType": "STRING"
      },
      {
        "key": "state",
        "valueType": "STRING"
      }
    ],
    "metricKind": "DELTA",
    "unit": "s",
    "valueType": "DISTRIBUTION"
  },
  "name": "headgate.sync.run.duration",
  "valueExtractor": "EXTRACT(jsonPayload.value)"
}
JSON
metric headgate.deadlines.missed <<'JSON'
{
  "description": "Windows that closed incomplete, and instants without an expected message.",
  "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^headgate(-[a-z]+)?$\" AND jsonPayload.message=(\"a window closed before it was complete\" OR \"no complete message was published in time\")",
  "metricDescriptor": {
    "metricKind": "DELTA",
    "valueType": "INT64"
  },
  "name": "headgate.deadlines.missed"
}
JSON
dashboard headgate <<'JSON'
{
  "displayName": "Headgate",
  "mosaicLayout": {
    "columns": 48,
    "tiles": [
      {
        "height": 16,
        "widget": {
          "title": "Requests by response",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "sum by (response_code_class) (rate(run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=~\"headgate(-[a-z]+)?\"}[5m]))",
                  "unitOverride": "1/s"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 0,
        "yPos": 0
      },
      {
        "height": 16,
        "widget": {
          "title": "Latency of requests, 95 %",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "histogram_quantile(0.95, sum by (le) (rate(run_googleapis_com:request_latencies_bucket{monitored_resource=\"cloud_run_revision\",service_name=~\"headgate(-[a-z]+)?\"}[5m])))",
                  "unitOverride": "ms"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 24,
        "yPos": 0
      },
      {
        "height": 16,
        "widget": {
          "title": "Messages by completion",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "sum by (service, completion) (increase(logging_googleapis_com:user_headgate_messages_sum{monitored_resource=\"cloud_run_revision\"}[5m]))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 0,
        "yPos": 16
      },
      {
        "height": 16,
        "widget": {
          "title": "Messages that wait for a target",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "histogram_quantile(0.99, sum by (le) (increase(logging_googleapis_com:user_headgate_backlog_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 24,
        "yPos": 16
      },
      {
        "height": 16,
        "widget": {
          "title": "Age of the oldest of them",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "histogram_quantile(0.99, sum by (le) (increase(logging_googleapis_com:user_headgate_backlog_age_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))",
                  "unitOverride": "s"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 0,
        "yPos": 32
      },
      {
        "height": 16,
        "widget": {
          "title": "Events that expired",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "sum by (service, endpoint) (increase(logging_googleapis_com:user_headgate_events_expired_sum{monitored_resource=\"cloud_run_revision\"}[5m]))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 24,
        "yPos": 32
      },
      {
        "height": 16,
        "widget": {
          "title": "Deadlines that were missed",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "sum(increase(logging_googleapis_com:user_headgate_deadlines_missed{monitored_resource=\"cloud_run_revision\"}[5m]))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 0,
        "yPos": 48
      },
      {
        "height": 16,
        "widget": {
          "title": "Sweeps by result",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "sum by (service, result) (increase(logging_googleapis_com:user_headgate_sweep_duration_count{monitored_resource=\"cloud_run_revision\"}[5m]))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 24,
        "yPos": 48
      },
      {
        "height": 16,
        "widget": {
          "title": "Runs of syncs by state",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "sum by (sync, state) (increase(logging_googleapis_com:user_headgate_sync_run_duration_count{monitored_resource=\"cloud_run_revision\"}[5m]))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 0,
        "yPos": 64
      },
      {
        "height": 16,
        "widget": {
          "title": "Rows by result",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "sum by (sync, result) (increase(logging_googleapis_com:user_headgate_sync_rows_sum{monitored_resource=\"cloud_run_revision\"}[5m]))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 24,
        "yPos": 64
      },
      {
        "height": 16,
        "widget": {
          "title": "Webhooks that wait",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "histogram_quantile(0.99, sum by (le) (increase(logging_googleapis_com:user_headgate_webhook_deliveries_pending_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 0,
        "yPos": 80
      },
      {
        "height": 16,
        "widget": {
          "title": "URLs that are not called any more",
          "xyChart": {
            "dataSets": [
              {
                "plotType": "LINE",
                "targetAxis": "Y1",
                "timeSeriesQuery": {
                  "prometheusQuery": "histogram_quantile(0.99, sum by (le) (increase(logging_googleapis_com:user_headgate_webhook_targets_paused_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))"
                }
              }
            ]
          }
        },
        "width": 24,
        "xPos": 24,
        "yPos": 80
      }
    ]
  },
  "name": "projects/acme-data/dashboards/headgate"
}
JSON
alert 'Headgate: messages wait for a target' <<'JSON'
{
  "combiner": "OR",
  "conditions": [
    {
      "conditionPrometheusQueryLanguage": {
        "disableMetricValidation": true,
        "duration": "300s",
        "evaluationInterval": "60s",
        "query": "histogram_quantile(0.99, sum by (le) (increase(logging_googleapis_com:user_headgate_backlog_age_bucket{monitored_resource=\"cloud_run_revision\"}[5m]))) > 300"
      },
      "displayName": "Headgate: messages wait for a target"
    }
  ],
  "displayName": "Headgate: messages wait for a target",
  "documentation": {
    "content": "A message has waited for its topic or another target for over five minutes. GET /messages?state=claimed shows lastError: the topic may be missing, or the role to publish to it.",
    "mimeType": "text/markdown"
  },
  "severity": "CRITICAL"
}
JSON
alert 'Headgate: a window closed incomplete, or a message was expected and did not come' <<'JSON'
{
  "combiner": "OR",
  "conditions": [
    {
      "conditionPrometheusQueryLanguage": {
        "disableMetricValidation": true,
        "duration": "0s",
        "evaluationInterval": "60s",
        "query": "sum(increase(logging_googleapis_com:user_headgate_deadlines_missed{monitored_resource=\"cloud_run_revision\"}[10m])) > 0"
      },
      "displayName": "Headgate: a window closed incomplete, or a message was expected and did not come"
    }
  ],
  "displayName": "Headgate: a window closed incomplete, or a message was expected and did not come",
  "documentation": {
    "content": "The log has the service, the correlation key and what is missing. GET /windows shows the windows that are open now.",
    "mimeType": "text/markdown"
  },
  "severity": "WARNING"
}
JSON
alert 'Headgate: no sweep for ten minutes' <<'JSON'
{
  "combiner": "OR",
  "conditions": [
    {
      "conditionPrometheusQueryLanguage": {
        "disableMetricValidation": true,
        "duration": "0s",
        "evaluationInterval": "60s",
        "query": "absent_over_time(logging_googleapis_com:user_headgate_sweep_duration_count{monitored_resource=\"cloud_run_revision\"}[10m])"
      },
      "displayName": "Headgate: no sweep for ten minutes"
    }
  ],
  "displayName": "Headgate: no sweep for ten minutes",
  "documentation": {
    "content": "Windows do not close while no request arrives, and what waits is not sent. The job headgate-sweep of Cloud Scheduler shows why its last call failed.",
    "mimeType": "text/markdown"
  },
  "severity": "CRITICAL"
}
JSON
alert 'Headgate: events left their window without a message' <<'JSON'
{
  "combiner": "OR",
  "conditions": [
    {
      "conditionPrometheusQueryLanguage": {
        "disableMetricValidation": true,
        "duration": "0s",
        "evaluationInterval": "60s",
        "query": "sum(increase(logging_googleapis_com:user_headgate_events_expired_sum{monitored_resource=\"cloud_run_revision\"}[10m])) > 0"
      },
      "displayName": "Headgate: events left their window without a message"
    }
  ],
  "displayName": "Headgate: events left their window without a message",
  "documentation": {
    "content": "The other endpoints did not report in time. The log has the endpoint; GET /status counts by endpoint.",
    "mimeType": "text/markdown"
  },
  "severity": "WARNING"
}
JSON
alert 'Headgate: a run of a sync failed' <<'JSON'
{
  "combiner": "OR",
  "conditions": [
    {
      "conditionPrometheusQueryLanguage": {
        "disableMetricValidation": true,
        "duration": "0s",
        "evaluationInterval": "60s",
        "query": "sum(increase(logging_googleapis_com:user_headgate_sync_run_duration_count{monitored_resource=\"cloud_run_revision\",state=\"failed\"}[10m])) > 0"
      },
      "displayName": "Headgate: a run of a sync failed"
    }
  ],
  "displayName": "Headgate: a run of a sync failed",
  "documentation": {
    "content": "GET /sync/ID/runs, or headgate sync runs ID, shows the error. Nothing is lost: the next run goes on from the last checkpoint.",
    "mimeType": "text/markdown"
  },
  "severity": "WARNING"
}
JSON
alert 'Headgate: over 5 % of the requests fail with 5xx' <<'JSON'
{
  "combiner": "OR",
  "conditions": [
    {
      "conditionPrometheusQueryLanguage": {
        "disableMetricValidation": true,
        "duration": "300s",
        "evaluationInterval": "60s",
        "query": "sum(rate(run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=~\"headgate(-[a-z]+)?\",response_code_class=\"5xx\"}[5m])) / sum(rate(run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=~\"headgate(-[a-z]+)?\"}[5m])) > 0.05"
      },
      "displayName": "Headgate: over 5 % of the requests fail with 5xx"
    }
  ],
  "displayName": "Headgate: over 5 % of the requests fail with 5xx",
  "documentation": {
    "content": "503 asks for another try: the store cannot be reached, or the memory is in use. The log has the cause; GET /readyz says whether the store takes writes.",
    "mimeType": "text/markdown"
  },
  "severity": "CRITICAL"
}
JSON

# Done.
echo "headgate: $url_headgate"
