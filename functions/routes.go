package functions

import (
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/web"
)

// route is a row of the table.
type route struct {
	methods  string     // separated by spaces; GET answers HEAD too
	path     string     // a ServeMux pattern's; per-service paths exist under /services/{service} too
	function string     // that serves it; "" is all of them
	role     string     // that a caller needs, where the configuration asks callers for credentials
	access   web.Access // of GET, HEAD and OPTIONS
	handle   endpoint
}

const (
	public    = "public" // the role that everybody has
	anyMethod = "*"      // the handler decides which methods it takes
)

// routes is the table of all that is served.
var routes = []route{
	// Sources send events.
	{anyMethod, "/event/{key...}", Ingest, auth.Ingest, web.Takes, perService(ingest)},
	{"POST", "/events/{key...}", Ingest, auth.Ingest, web.Takes, perService(ingestBatch)},

	// Cloud Scheduler and Eventarc have the gate look at its window.
	{"POST", "/check", Check, auth.Operate, web.Reads, perService(check)},
	{"POST", "/sweep", Sweep, auth.Operate, web.Reads, perService(sweep)},

	// People operate the gate.
	{"GET POST", "/trigger", Trigger, auth.Operate, web.Acts, perService(notByHead(trigger))},
	{anyMethod, triggerAliasPath, "", auth.Operate, web.Acts, guarding(triggerAlias)},
	{"GET POST", "/reset", Trigger, auth.Operate, web.Acts, perService(notByHead(reset))},
	{"POST", "/messages/{eventID}/replay", Trigger, auth.Operate, web.Reads, perService(replay)},
	{"GET", "/status", Status, auth.Read, web.Reads, perService(status)},
	{"GET", "/pending", Status, auth.Read, web.Reads, perService(pending)},
	{"GET", "/history", Status, auth.Read, web.Reads, perService(history)},
	{"GET", "/config", Status, auth.Read, web.Reads, deployment(configuration)},

	// Consumers read messages.
	{"GET", "/messages", Status, auth.Read, web.Reads, perService(messages)},
	{"GET", "/messages/{eventID}", Status, auth.Read, web.Reads, perService(message)},

	// People define syncs, and look after their runs.
	{"GET", "/sync", SyncRun, auth.Read, web.Reads, deployment(syncs)},
	{"POST", "/sync", SyncRun, auth.Operate, web.Reads, deployment(createSync)},
	{"POST", "/sync/check", SyncRun, auth.Read, web.Reads, deployment(checkSync)},
	{"GET", "/sync/{id}", SyncRun, auth.Read, web.Reads, deployment(getSync)},
	{"PUT", "/sync/{id}", SyncRun, auth.Operate, web.Reads, deployment(updateSync)},
	{"DELETE", "/sync/{id}", SyncRun, auth.Operate, web.Reads, deployment(deleteSync)},
	{"POST", "/sync/{id}", SyncRun, auth.Operate, web.Reads, deployment(runSync)}, // OurWater's path
	{"POST", "/sync/{id}/run", SyncRun, auth.Operate, web.Reads, deployment(runSync)},
	{"GET", "/sync/{id}/runs", SyncRun, auth.Read, web.Reads, deployment(syncRuns)},
	{"GET", "/sync/{id}/runs/{runId}", SyncRun, auth.Read, web.Reads, deployment(syncRun)},
	{"POST", "/sync/{id}/runs/{runId}/cancel", SyncRun, auth.Operate, web.Reads, deployment(cancelRun)},
	{"GET", "/sync/{id}/rejects", SyncRun, auth.Read, web.Reads, deployment(rejects)},
	{"POST", "/sync/{id}/rejects/retry", SyncRun, auth.Operate, web.Reads, deployment(retryRejects)},
	{"GET", "/sync/{id}/conflicts", SyncRun, auth.Read, web.Reads, deployment(conflicts)},
	{"POST", "/sync/{id}/conflicts/{recordId}", SyncRun, auth.Operate, web.Reads, deployment(decide)},

	// Other systems exchange records.
	{"GET", "/sync/{id}/data", SyncRun, auth.Read, web.Reads, deployment(sendData)},
	{"POST", "/sync/{id}/data", SyncRun, auth.Operate, web.Reads, deployment(receiveData)},
	{"GET", "/orgs/{org}/{type}", SyncRun, auth.Read, web.Reads, deployment(records)},
	{"GET", "/orgs/{org}/{type}/{id}", SyncRun, auth.Read, web.Reads, deployment(record)},
	{"PUT", "/orgs/{org}/{type}/{id}", SyncRun, auth.Operate, web.Reads, deployment(putRecord)},
	{"PATCH", "/orgs/{org}/{type}/{id}", SyncRun, auth.Operate, web.Reads, deployment(patchRecord)},
	{"DELETE", "/orgs/{org}/{type}/{id}", SyncRun, auth.Operate, web.Reads, deployment(deleteRecord)},

	// Cloud Scheduler and Pub/Sub start runs, and hand them on.
	{"POST", "/sync/due", SyncRun, auth.Operate, web.Reads, deployment(dueSyncs)},
	{"POST", "/sync/work", SyncRun, auth.Operate, web.Reads, deployment(syncWork)},
	{"POST", "/sync/message", SyncRun, auth.Operate, web.Reads, deployment(onMessage)},

	// Live clients connect, and applications notify them.
	{"GET", defaultSocketPath, Live, auth.Read, web.Connects, guarding(liveSocket)}, // or the configuration's path
	{"GET", "/live", Live, auth.Read, web.Connects, guarding(liveStream)},
	{"GET", "/live/client.js", Live, public, web.Reads, plain(liveClient)},
	{"GET", "/live/clients", Live, auth.Read, web.Reads, deployment(liveClients)},
	{"POST", "/notify", Live, auth.Operate, web.Reads, deployment(notify)},

	// Webhooks come in.
	{"POST", "/hooks/{name}", Echo, auth.Ingest, web.Reads, guarding(hooks)},
	{"POST", "/echo-external-data-webhook", Echo, auth.Ingest, web.Reads, guarding(echoSource)},
	{"POST", "/external-data-webhook", Echo, auth.Ingest, web.Reads, guarding(echoSource)},
	{"POST", "/register-session-url", Echo, auth.Ingest, web.Reads, deployment(openSession)},
	{"POST", "/events-listener", Echo, auth.Ingest, web.Reads, deployment(endSession)},

	// Webhooks go out.
	{"POST", "/register-for-webhook", Echo, auth.Operate, web.Reads, deployment(registerWebhook)},
	{"POST", "/unregister-webhook", Echo, auth.Operate, web.Reads, deployment(unregisterWebhook)},
	{"GET", "/webhooks", Echo, auth.Read, web.Reads, deployment(webhooks)},
	{"GET", "/webhooks/{id}/deliveries", Echo, auth.Read, web.Reads, deployment(deliveries)},
	{"POST", "/webhooks/{id}/deliveries/{n}/retry", Echo, auth.Operate, web.Reads, deployment(retryDelivery)},
	{"POST", "/webhooks/sweep", Echo, auth.Operate, web.Reads, deployment(sweepWebhooks)},

	// People edit drafts together.
	{"GET", "/drafts/{name}", Draft, auth.Read, web.Reads, deployment(getDraft)},
	{"PATCH", "/drafts/{name}", Draft, auth.Operate, web.Reads, deployment(editDraft)},
	{"POST", "/drafts/{name}/{action}", Draft, auth.Operate, web.Reads, deployment(decideDraft)},

	// The operators' page.
	{"GET", "/console", Console, public, web.Reads, deployment(console)},
	{"GET", "/console/{file}", Console, public, web.Reads, deployment(console)},
	{"GET", "/console/{$}", Console, public, web.Reads, plain(consoleSlash)},

	// The platform probes, and everybody finds their way.
	{"GET", "/healthz", "", public, web.Reads, plain(healthy)},
	{"GET", "/readyz", "", public, web.Reads, deployment(ready)},
	{"GET", "/openapi.json", "", auth.Any, web.Reads, plain(openapi)},
	{anyMethod, "/", "", public, web.Reads, plain(noSuchPath)},
}
