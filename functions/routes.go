package functions

import (
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/sync/exchange"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/webhook/outgoing"
	"github.com/headgate/headgate/live"
)

// routes is the table of all that is served.
var routes = []route{
	// Sources send events.
	{anyMethod, eventPath, Ingest, auth.Ingest, web.Takes, perService(takeEvent),
		op("ingest", bySources, "Send an event").
			note("The endpoint's acceptedHttpMethods say which methods it takes; HEAD and OPTIONS are events only where it names them. Any other OPTIONS request is answered with 204, and agrees to deliveries of WebHook-Request-Origin. A CloudEvent (structured or binary) keeps its attributes. Its source and id are its idempotency key, as is the message id of a Pub/Sub push.").
			reads(ofEvents...).
			takesAs("Any bytes, up to maxEventBytes. They are kept as they are.", []string{"*/*"}).orNothing().
			gives(200, "The event is durable, and the window was checked.", receiptJSON{}).fails(429)},
	{"POST", "/events/{key...}", Ingest, auth.Ingest, web.Takes, perService(takeBatch),
		op("ingestBatch", bySources, "Send a batch of events").
			note("Each item becomes one event. A bad item does not lose its neighbours.").
			reads(ofBatch).
			takesAs("CloudEvents, or a JSON array of anything.", []string{"application/cloudevents-batch+json", "application/json"}, schema{"type": "array", "maxItems": maxBatchItems}).
			gives(200, "One result per item, in the order of the items.", batchJSON{}).fails(429)},
	{"POST", "/feed/{name}", Ingest, auth.Ingest, web.Takes, perService(takeFeed),
		op("feed", bySources, "Send an event of a source that sends everything to one place").
			note("The first route of the feed that takes the event gives it to an endpoint.").
			reads(ofEvents...).
			takesAs("Any bytes, up to maxEventBytes. They are kept as they are.", []string{"*/*"}).orNothing().
			gives(200, "The event is durable, and the window was checked.", receiptJSON{}).fails(429)},
	{"POST", "/feeds/{name}", Ingest, auth.Ingest, web.Takes, perService(takeFeedBatch),
		op("feedBatch", bySources, "Send a batch of events to a feed").
			note("Each item becomes one event. A bad item does not lose its neighbours.").
			reads(ofBatch).
			takesAs("CloudEvents, or a JSON array of anything.", []string{"application/cloudevents-batch+json", "application/json"}, schema{"type": "array", "maxItems": maxBatchItems}).
			gives(200, "One result per item, in the order of the items.", batchJSON{}).fails(429)},

	// Cloud Scheduler and Eventarc have the gate look at its window.
	{"POST", "/check", Check, auth.Operate, noGet, perService(checkWindow),
		op("check", byScheduler, "Release the window if it is complete").
			note("A service with correlation closes what is due of all keys, or checks one key.").
			reads(correlationKey, firedTask).
			gives(200, "The message that was released, or what is missing.", verdictJSON{})},
	{"POST", "/sweep", Sweep, auth.Operate, noGet, perService(sweepService),
		op("sweep", byScheduler, "Publish messages that wait, and delete expired data").
			note("Topics and syncs are tried at once, HTTP targets when their back-off is over: a replay with target does not wait for it. It finishes the work of instances that stopped in the middle of it.").
			gives(200, "How much was done.", sweptJSON{})},

	// People operate the gate.
	{byHand, "/trigger", Trigger, auth.Operate, web.Acts, notByHead(triggerWindow),
		op("trigger", byPeople, "Publish every event in the window now, complete or not").
			note("A deployment with several services needs the service in the path.").
			reads(correlationKey).
			gives(200, "The message; null if the window was empty.", triggeredJSON{})},
	{anyMethod, triggerAliasPath, "", auth.Operate, web.Acts, guarding(triggerAlias),
		op("triggerAlias", byPeople, "Publish every event in the window now, complete or not").only(byHand).
			note("This is EventSync's path of /trigger. If an endpoint has the eventKey `trigger`, a request is an event of that endpoint instead, and has its parameters.").
			reads(append([]parameter{correlationKey}, ofEvents...)...).
			gives(200, "The message; null if the window was empty.", triggeredJSON{})},
	{byHand, "/reset", Trigger, auth.Operate, web.Acts, notByHead(resetWindow),
		op("reset", byPeople, "Take the events of the window, or of one endpoint, out of it").
			note("A deployment with several services needs the service in the path.").
			reads(inQuery("eventKey", "Only the events of this endpoint."), correlationKey).
			gives(200, "How many events were taken out.", resetJSON{})},
	{"POST", "/messages/{eventID}/replay", Trigger, auth.Operate, noGet, perService(replayMessage),
		op("replay", byPeople, "Publish a message again, with the same ids").
			reads(inQuery("target", "Send it to this target only.")).
			gives(200, "The message is published.", replayedJSON{}).fails(409, 410)},
	{"GET", "/status", Status, auth.Read, web.Reads, perService(showStatus),
		op("status", byPeople, "Show the window and the messages that wait").
			note("Of a service with correlation, the window of one key, or what waits under all keys.").
			reads(correlationKey).
			gives(200, "The status.", statusJSON{})},
	{"GET", "/pending", Status, auth.Read, web.Reads, perService(listPending),
		op("pending", byPeople, "List the events in the window, oldest first").
			reads(number("limit", "Events per endpoint.", 1, maxPage, defaultPage), correlationKey).
			gives(200, "The events, by endpoint.", windowJSON{})},
	{"GET", "/windows", Status, auth.Read, web.Reads, perService(listWindows),
		op("windows", byPeople, "List the windows that have events, oldest first").
			note("Only a service with correlation, deadlines or a condition has such windows.").
			reads(limit, after, correlationKey, countKeys, choice("state", "open: its time goes on. closing: it is complete or its time is over, and that is about to be carried out.", "open", "closing")).
			gives(200, "A page of windows.", windowsJSON{})},
	{"GET", "/events", Status, auth.Read, web.Reads, perService(streamEvents),
		op("events", byPeople, "Get the stored events as JSON Lines, in the order of their receipt").
			note("Events are listed whether they still wait or not, until they expire. A stream that breaks off ends with a line `{\"error\": …, \"next\": …}`, and its connection is aborted.").
			reads(instant("since", "Only events received at this time or later (RFC 3339)."), instant("until", "Only events received before this time (RFC 3339)."),
				inQuery("after", "The `next` of a stream that broke off."),
				inQuery("eventKey", "Only the events of this endpoint, which may have left the configuration."), correlationKey).
			lists("The events, one on each line.", event.Record{})},
	{"GET", "/history", Status, auth.Read, web.Reads, perService(showHistory),
		op("history", byPeople, "Show the events over time, and how long messages took").
			reads(choice("span", "The time up to now: hour (if omitted), day or week.", "hour", "day", "week")).gives(200, "The span.", historyJSON{})},
	{"GET", "/config", Status, auth.Read, web.Reads, deployment(showConfig),
		op("config", byPeople, "Show the effective configuration").
			gives(200, "The configuration, with its secrets redacted.", schema{"$ref": "#/components/schemas/Configuration"})},
	{"GET", "/config/unused", Status, auth.Read, web.Reads, deployment(showUnused),
		op("unused", byPeople, "List the settings of the configuration that nothing uses now").
			note("It goes by all syncs and registered webhooks. In doubt a setting counts as used.").
			gives(200, "The settings.", unusedJSON{})},

	{"GET", "/audit", Status, auth.Operate, web.Reads, deployment(listAudit),
		op("audit", byPeople, "List who did what, newest first").
			note("What people do by hand and what changes something: docs/logs.md. A page may have fewer entries than limit, or none, and a `next` all the same.").
			reads(limit, after, instant("since", "Only acts that began at this time or later (RFC 3339)."), instant("until", "Only acts that began before this time (RFC 3339)."),
				inQuery("who", "Only acts of this caller: an e-mail address, a token's name, or local."),
				inQuery("action", "Only this action: the operationId of this document."),
				inQuery("object", "Only acts on this path, or on a path below it.")).
			gives(200, "A page of entries.", auditJSON{})},
	{"GET", "/doctor", Status, auth.Operate, web.Acts, deployment(examine),
		op("doctor", byPeople, "Examine the deployment, and say how to correct what is wrong").
			note("It calls the store, the bus, Google Cloud's administration and the sources of syncs, each with a deadline, and takes 20 seconds at most. Callers at the same time share one examination. It changes nothing but a small document of its own.").
			gives(200, "The findings, the worst first.", doctor.Report{})},

	// Consumers read messages.
	{"GET", "/messages", Status, auth.Read, web.Reads, perService(listMessages),
		op("messages", byConsumers, "List messages, newest first").
			reads(limit, after, inQuery("eventID", "Only the message with this id. It goes with no other parameter."), choice("state", "Only messages in this state.", "claimed", "published", "dropped", "failed"), correlationKey, instant("since", "Only messages whose events were claimed at this time or later (RFC 3339)."), instant("until", "Only messages whose events were claimed before this time (RFC 3339)."),
				choice("completion", "Only messages of windows that ended like this, of a service with correlation, deadlines or a condition.", "complete", "partial", "manual", "dropped", "deadLetter"),
				inQuery("target", "Only messages for this target. Such a page may have fewer messages than limit, or none, and a `next` all the same."),
				choice("targetState", "Only messages in this state at the target, or else at any target.", "pending", "delivered", "failed")).
			gives(200, "A page of messages.", messagesJSON{})},
	{"GET", "/messages/{eventID}", Status, auth.Read, web.Reads, perService(getMessage),
		op("message", byConsumers, "Get a whole message, as it was published or behind its claim check").
			gives(200, "The message.", wholeMessage{}).fails(410)},

	// People define syncs, and look after their runs.
	{"GET", "/sync", SyncRun, auth.Read, web.Reads, deployment(listSyncs),
		op("syncs", byPeople, "List syncs").
			reads(inQuery("orgId", "Only syncs of this organisation."), yesOrNo("runs", "Show the latest run of each sync.")).
			gives(200, "The syncs, with their credentials redacted.", syncsJSON{})},
	{"POST", "/sync", SyncRun, auth.Operate, noGet, deployment(createSync),
		op("createSync", byPeople, "Define a sync").
			takes("The definition, in one of its forms.", definitionForms...).
			gives(201, "The sync is stored.", createdSyncJSON{}, "ETag", "Location").fails(409)},
	{"POST", "/sync/check", SyncRun, auth.Read, noGet, deployment(checkSync),
		op("checkSync", byPeople, "Check a definition, and store nothing").
			takes("The definition, in one of its forms.", schema{}).
			gives(200, "Every fault of the definition.", checkedJSON{})},
	{"POST", "/sync/columns", SyncRun, auth.Operate, noGet, deployment(tryColumns),
		op("tryColumns", byPeople, "Connect to the source of a definition, list its columns, and store nothing").
			note("Credentials that are sent as REDACTED are those of the stored sync of the same id, if the definition is of the same system.").
			takes("The definition, in one of three forms.", definitionForms...).
			gives(200, "The columns of each datatype, or why it cannot be read.", columnsJSON{})},
	{"GET", "/sync/{id}/columns", SyncRun, auth.Read, web.Reads, deployment(getColumns),
		op("columns", byPeople, "Connect to the source of a sync, and list its columns").
			gives(200, "The columns of each datatype, or why it cannot be read.", columnsJSON{})},
	{"GET", "/sync/{id}", SyncRun, auth.Read, web.Reads, deployment(getSync),
		op("sync", byPeople, "Show a sync").
			gives(200, "The sync, with its credentials redacted.", syncJSON{}, "ETag")},
	{"PUT", "/sync/{id}", SyncRun, auth.Operate, noGet, deployment(updateSync),
		op("updateSync", byPeople, "Replace the definition of a sync").
			reads(ifMatch).takes("The definition, in one of its forms.", definitionForms...).
			gives(200, "The sync as it is now.", syncJSON{}, "ETag").fails(409, 412)},
	{"DELETE", "/sync/{id}", SyncRun, auth.Operate, noGet, deployment(deleteSync),
		op("deleteSync", byPeople, "Delete a sync, and keep its records").
			reads(ifMatch).done(204, "The sync is deleted.").fails(409, 412)},
	{"POST", "/sync/{id}", SyncRun, auth.Operate, noGet, deployment(runSync),
		op("runSyncShort", byPeople, "Run a sync (OurWater's path)").
			reads(runMethod, wait, allowDeletes).
			gives(200, "The run ended.", runAnswer{}, "Location").gives(202, "The run continues.", runAnswer{}, "Location").fails(409)},
	{"POST", "/sync/{id}/run", SyncRun, auth.Operate, noGet, deployment(runSync),
		op("runSync", byPeople, "Run a sync").
			reads(runMethod, wait, allowDeletes).
			gives(200, "The run ended.", runAnswer{}, "Location").gives(202, "The run continues.", runAnswer{}, "Location").fails(409)},
	{"POST", "/api/sync/external", SyncRun, auth.Operate, noGet, deployment(runExternal),
		op("runExternal", byPeople, "Run a sync and wait for its end (DataCollect's path)").
			takes("The sync, and credentials for this run alone.", externalRequest{}).
			gives(200, "The run ended.", externalSyncJSON{}, "Location").gives(202, "The run continues.", externalSyncJSON{}, "Location").gives(502, "The run failed.", externalSyncJSON{}, "Location").fails(409)},
	{"GET", "/sync/{id}/runs", SyncRun, auth.Read, web.Reads, deployment(listRuns),
		op("syncRuns", byPeople, "List the latest runs, newest first").
			reads(number("limit", "The most runs to list.", 1, maxPage, 20)).
			gives(200, "The runs.", runsJSON{})},
	{"GET", "/sync/{id}/runs/{runId}", SyncRun, auth.Read, web.Reads, deployment(getRun),
		op("syncRun", byPeople, "Show a run").
			gives(200, "The run.", syncrun.Run{})},
	{"POST", "/sync/{id}/runs/{runId}/cancel", SyncRun, auth.Operate, noGet, deployment(cancelRun),
		op("cancelRun", byPeople, "Ask a run to stop after its current page").gives(202, "The run, which will stop.", syncrun.Run{}, "Location").fails(409)},
	{"POST", "/sync/{id}/relink", SyncRun, auth.Operate, noGet, deployment(relinkSync),
		op("relinkSync", byPeople, "Link the records of a sync to rows of another key or source").reads(confirm).gives(200, "What was done, or would be.", syncrun.Relinking{}).fails(409)},
	{"GET", "/sync/{id}/rejects", SyncRun, auth.Read, web.Reads, deployment(listRejects),
		op("rejects", byPeople, "List the rows that were rejected").reads(limit, after, rejectReason, rejectSummary).gives(200, "A page of rejects.", rejectsJSON{})},
	{"POST", "/sync/{id}/rejects/retry", SyncRun, auth.Operate, noGet, deployment(retryRejects),
		op("retryRejects", byPeople, "Run a sync for the rejected rows only").
			reads(wait).
			gives(200, "The run ended.", runAnswer{}, "Location").gives(202, "The run continues.", runAnswer{}, "Location").fails(409)},
	{"GET", "/sync/{id}/conflicts", SyncRun, auth.Read, web.Reads, deployment(listConflicts),
		op("conflicts", byPeople, "List the records that wait for a decision").
			reads(limit, after).gives(200, "A page of conflicts.", conflictsJSON{})},
	{"POST", "/sync/{id}/conflicts/{recordId}", SyncRun, auth.Operate, noGet, deployment(decideConflict),
		op("decide", byPeople, "Settle a conflict").
			reads(datatype).takes("The decision.", syncrun.Decision{}).
			gives(200, "What is left of the conflict.", decidedJSON{})},

	// OurWater's paths of the same.
	{"GET", "/ourwater/{org}", SyncRun, auth.Read, web.Reads, deployment(listOrgSyncs),
		op("orgSyncs", byPeople, "List the syncs of an organisation (OurWater's path)").
			gives(200, "The syncs, with their credentials redacted.", syncsJSON{})},
	{"POST", "/ourwater/{org}", SyncRun, auth.Operate, noGet, deployment(createOrgSync),
		op("createOrgSync", byPeople, "Define a sync of an organisation (OurWater's path)").
			takes("The definition. It need not name the organisation.", schema{"type": "object"}).
			gives(201, "The sync is stored.", createdSyncJSON{}, "ETag", "Location").fails(409)},
	{"DELETE", "/ourwater/{org}/{id}", SyncRun, auth.Operate, noGet, deployment(ofOrg(deleteSync)),
		op("deleteOrgSync", byPeople, "Delete a sync, and keep its records (OurWater's path)").
			reads(ifMatch).done(204, "The sync is deleted.").fails(409, 412)},
	{"POST", "/ourwater/{org}/run/{id}", SyncRun, auth.Operate, noGet, deployment(ofOrg(runSync)),
		op("runOrgSync", byPeople, "Run a sync (OurWater's path)").
			reads(runMethod, wait, allowDeletes).
			gives(200, "The run ended.", runAnswer{}, "Location").gives(202, "The run continues.", runAnswer{}, "Location").fails(409)},
	{"GET", "/ourwater/{org}/syncRuns/{id}", SyncRun, auth.Read, web.Reads, deployment(ofOrg(listRuns)),
		op("orgSyncRuns", byPeople, "List the latest runs of a sync, newest first (OurWater's path)").
			reads(number("limit", "The most runs to list.", 1, maxPage, 20)).
			gives(200, "The runs.", runsJSON{})},

	{"PUT", "/files/{file}", SyncRun, auth.Operate, noGet, deployment(uploadFile),
		op("uploadFile", byPeople, "Store a file for a sync").
			note("It replaces a file of that name in sync.directory. A datasource of type csv names it in fileUrl.").
			takesAs("The file, at most 32 MiB.", []string{"text/csv", "*/*"}, schema{}).
			gives(200, "The file is stored.", exchange.Uploaded{}).fails(409)},

	// Other systems exchange records.
	{"GET", "/sync/{id}/data", SyncRun, auth.Read, web.Reads, deployment(sendData),
		op("sendData", byConsumers, "Pull records out (OurWater's pullDataFromOurWater)").
			reads(datatype, limit, number("start", "How many records to skip.", 0, 1_000_000, 0), number("page", "How many pages of limit records to skip.", 0, 1_000_000, 0),
				inQuery("cursor", "The `next` of the page before. It goes with neither start nor page.")).
			gives(200, "A page of records.", sentJSON{})},
	{"POST", "/sync/{id}/data", SyncRun, auth.Operate, noGet, deployment(receiveData),
		op("receiveData", bySources, "Push records in (OurWater's pushDataFromDatasource)").
			reads(datatype).
			takes("At most 1,000 records.", schema{"type": "array", "items": schema{"type": "object"}, "maxItems": 1000},
				schema{"type": "object", "required": []string{"data"}, "properties": schema{"data": schema{"type": "array", "items": schema{"type": "object"}, "maxItems": 1000}}}).
			gives(200, "One result per record. A bad record does not lose its neighbours.", receivedJSON{})},
	{"GET", "/orgs/{org}/{type}", SyncRun, auth.Read, web.Reads, deployment(listRecords),
		op("records", byConsumers, "List records by id").
			reads(limit, after, yesOrNo("deleted", "List deleted records too.")).
			gives(200, "A page of records.", recordsJSON{})},
	{"GET", "/orgs/{org}/{type}/{id}", SyncRun, auth.Read, web.Reads, deployment(getRecord),
		op("record", byConsumers, "Show a record").
			reads(inHeader("If-None-Match", "ETags that the caller has. If the record has one of them, the answer is 304.")).
			gives(200, "The record.", entity.Entity{}, "ETag").done(304, "The caller has this version.", "ETag").fails(410)},
	{"PUT", "/orgs/{org}/{type}/{id}", SyncRun, auth.Operate, noGet, deployment(putRecord),
		op("putRecord", bySources, "Create or replace a record").
			reads(ifMatch, inHeader("If-None-Match", "`*` creates a record only: the answer is 412 if there is one.")).
			takes("The record's fields.", schema{"type": "object"}).
			gives(200, "The record is replaced.", entity.Entity{}, "ETag").gives(201, "The record is created.", entity.Entity{}, "ETag").fails(412)},
	{"PATCH", "/orgs/{org}/{type}/{id}", SyncRun, auth.Operate, noGet, deployment(patchRecord),
		op("patchRecord", bySources, "Merge a patch into a record (RFC 7396)").
			reads(ifMatch).takesAs("The fields to change; null removes one.", []string{"application/merge-patch+json", "application/json"}, schema{"type": "object"}).
			gives(200, "The record as it is now.", entity.Entity{}, "ETag").fails(412)},
	{"DELETE", "/orgs/{org}/{type}/{id}", SyncRun, auth.Operate, noGet, deployment(deleteRecord),
		op("deleteRecord", bySources, "Delete a record").
			reads(ifMatch).done(204, "The record is deleted.").fails(412)},

	// Cloud Scheduler and Pub/Sub start runs, and hand them on.
	{"POST", "/sync/due", SyncRun, auth.Operate, noGet, deployment(startDue),
		op("dueSyncs", byScheduler, "Start the syncs that are due, and take over runs whose process died").
			gives(200, "The runs.", dueJSON{})},
	{"POST", "/sync/work", SyncRun, auth.Operate, noGet, deployment(workOnRun),
		op("syncWork", byScheduler, "Continue a run (Pub/Sub push)").
			takes("A Pub/Sub push.", pushBody{}).done(204, "The run ended, or was handed on; or the push can never succeed, and the log says why.")},
	{"POST", "/sync/message", SyncRun, auth.Operate, noGet, deployment(runOnMessage),
		op("syncMessage", byScheduler, "Run the sync that a service's message starts (Pub/Sub push)").
			takes("A Pub/Sub push.", pushBody{}).done(204, "The run ended, or was handed on; or the push can never succeed, and the log says why.")},

	// Live clients connect, and applications notify them.
	{"GET", defaultSocketPath, Live, auth.Read, web.Connects, guarding(liveSocket),
		op("liveSocket", byConsumers, "Get changes over a WebSocket").
			note("The configuration can set another path. Protocol 1 is entity-sync's, protocol 2 is Headgate's: see docs/live.md. "+alsoLive).
			reads(choice("protocol", "Default: 1, or 2 if the client asks for the subprotocol.", "1", "2"), accessToken, clientSecret,
				inHeader("Sec-WebSocket-Protocol", "`headgate.v2` asks for protocol 2.")).
			done(101, "The connection is a WebSocket now.")},
	{"GET", "/live", Live, auth.Read, web.Connects, guarding(liveStream),
		op("live", byConsumers, "Get changes as an event stream (SSE)").
			note(alsoLive).
			reads(inQuery("entity", "An entity to subscribe to, in pairs with id.").many(), inQuery("id", "Its id.").many(), accessToken, clientSecret,
				inHeader("Last-Event-ID", "The id of the last event that the client got. It gets the changes since then."),
				inQuery("lastEventId", "The same, for clients that cannot set the header.")).
			serves("Frames of protocol 2, one per event.", "text/event-stream")},
	{"GET", "/live/client.js", Live, public, web.Reads, plain(liveClient),
		op("liveClient", byConsumers, "Get the JavaScript client").
			serves("An ES module.", "text/javascript; charset=utf-8")},
	{"GET", "/live/clients", Live, auth.Read, web.Reads, deployment(liveClients),
		op("liveClients", byPeople, "List the clients that are connected to this instance, newest first").
			reads(parameter{in: "query", name: "limit", text: "The most clients to list. Default: all.", schema: schema{"type": "integer", "minimum": 1, "maximum": maxPage}}).
			gives(200, "The clients.", clientsJSON{})},
	{"POST", "/notify", Live, auth.Operate, noGet, deployment(notify),
		op("notify", bySources, "Tell live clients, on every instance, that entities changed").
			takes("One entity, or up to 1,000.", live.Name{}, []live.Name{}).
			gives(200, "Of how many entities clients were told.", notifiedJSON{})},

	// Webhooks come in.
	{"POST", hookPath, Echo, auth.Ingest, noGet, guarding(takeHook),
		op("hook", bySources, "Send a webhook that the configuration names").
			note(signedNote).reads(webhookHeaders...).
			takes("Anything that the configuration's expressions can read.", schema{}).
			gives(200, "The webhook is stored. A sender that asks whether the address is its receiver's gets the answer as text.", flow.Taken{}).orText().
			gives(202, "The webhook is stored. The run of the sync begins when the one that is at work has ended.", flow.Taken{}).fails(429)},
	{"POST", "/echo-external-data-webhook", Echo, auth.Ingest, noGet, guarding(echoSource),
		op("echoWebhook", bySources, "Send a list from the source of truth").
			note(signedNote).reads(listID).reads(webhookHeaders...).
			takes("The whole list.", taskList{}).
			gives(200, "The list is stored.", echoAnswer{})},
	{"POST", "/external-data-webhook", Echo, auth.Ingest, noGet, guarding(echoSource),
		op("externalDataWebhook", bySources, "Send a list from the source of truth (Fluid's path)").
			note(signedNote).reads(listID).reads(webhookHeaders...).
			takes("The whole list.", taskList{}).
			gives(200, "The list is stored.", echoAnswer{})},
	{"POST", "/register-session-url", Echo, auth.Ingest, noGet, deployment(openSession),
		op("openSession", byConsumers, "Open a session of a list").
			note("For the first session of a list, Headgate registers for webhooks at the source.").
			takes("The session.", sessionOpening{}).
			gives(200, "What the session's live clients subscribe to.", sessionJSON{})},
	{"POST", "/events-listener", Echo, auth.Ingest, noGet, deployment(endSession),
		op("endSession", byConsumers, "End a session").
			note("After the last session of a list, Headgate unregisters at the source.").
			takes("The session.", sessionEnding{}).
			gives(200, "The session gets no more signals.", endedJSON{})},

	// Webhooks go out.
	{"GET POST", "/register-for-webhook", Echo, auth.Operate, web.Acts, deployment(registerWebhook),
		op("registerWebhook", byConsumers, "Register a URL that is called when a list changes, or something else happens").
			note("With types, the URL gets CloudEvents of these types. Otherwise it gets a list, which the query may name. With GET the query names the URL, too.").
			reads(listID, address("url", "GET: where the webhooks are sent."), choice("format", "GET: how the body is written.", outgoing.Plain, outgoing.CloudEvents)).
			takes("The URL.", registration{}).
			gives(200, "The URL is registered. Only the first answer has the secret.", outgoing.Target{}).fails(409)},
	{"POST", "/unregister-webhook", Echo, auth.Operate, noGet, deployment(unregisterWebhook),
		op("unregisterWebhook", byConsumers, "Stop deliveries to a URL").
			note("The URL alone ends its registration for the default list and that for types.").
			reads(listID).takes("The URL.", unregistration{}).
			gives(200, "The URL is not called any more.", unregisteredJSON{})},
	{"GET", "/webhooks", Echo, auth.Read, web.Reads, deployment(listWebhooks),
		op("webhooks", byPeople, "List the registered URLs").
			reads(listID).gives(200, "The URLs, without their secrets.", webhooksJSON{})},
	{"GET", "/webhooks/{id}/deliveries", Echo, auth.Read, web.Reads, deployment(listDeliveries),
		op("deliveries", byPeople, "List what was sent to a URL, newest first").
			reads(number("limit", "The most deliveries to list.", 1, maxPage, 50)).
			gives(200, "The deliveries, with attempts and answers.", deliveriesJSON{})},
	{"POST", "/webhooks/{id}/deliveries/{n}/retry", Echo, auth.Operate, noGet, deployment(retryDelivery),
		op("retryDelivery", byPeople, "Try a delivery now, or make it again").
			done(202, "The delivery will be tried.").fails(409)},
	{"POST", "/webhooks/{id}/test", Echo, auth.Operate, noGet, deployment(tryWebhook),
		op("testWebhook", byPeople, "Make a test delivery now").
			note("It has no data, is not recorded and not tried again.").
			gives(200, "What the URL answered.", outgoing.Trial{})},
	{"POST", "/webhooks/{id}/rotate", Echo, auth.Operate, noGet, deployment(rotateSecret),
		op("rotateSecret", byPeople, "Give a webhook a new secret").
			note("For 24 hours, deliveries are signed with the former secret, too.").
			takes("The secret.", rotation{}).orNothing().
			gives(200, "The webhook with its new secret, which only this answer has.", outgoing.Target{}).fails(409)},
	{"POST", "/webhooks/sweep", Echo, auth.Operate, noGet, deployment(sweepWebhooks),
		op("sweepWebhooks", byScheduler, "Make the deliveries that are due").
			gives(200, "How many deliveries were made.", deliveredJSON{})},

	// People edit drafts together.
	{"GET", "/drafts/{name}", Draft, auth.Read, web.Reads, deployment(getDraft),
		op("draft", byPeople, "Show a draft: its saved, incoming and draft values, and what is flagged").
			gives(200, "The draft.", draft.View{}, "ETag").fails(413)},
	{"PATCH", "/drafts/{name}", Draft, auth.Operate, noGet, deployment(editDraft),
		op("editDraft", byPeople, "Edit a draft").
			note("The last writer of a field wins. A null removes a field or a row.").
			takes("The fields to set.", draftEdit{}).
			gives(200, "The draft as it is now.", draft.View{}, "ETag")},
	{"POST", "/drafts/{name}/{action}", Draft, auth.Operate, noGet, deployment(decideDraft),
		op("decideDraft", byPeople, "Accept the source's values, keep ours, save to the source, discard, or fetch").
			takes("What to decide.", draftDecision{}).orNothing().
			gives(200, "The draft as it is now.", draft.View{}, "ETag").
			problem(409, "The source has changes to decide about. The draft stays as it is.", draftConflict{}, "Location")},

	// The operators' page.
	{"GET", "/console", Console, public, web.Reads, deployment(serveConsole),
		op("console", byPeople, "Open the operators' page").serves("The page.", "text/html; charset=utf-8")},
	{"GET", "/console/{file}", Console, public, web.Reads, deployment(serveConsole),
		op("consoleFile", byPeople, "Get a file of the operators' page").serves("The file.", "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml")},
	{"GET", "/console/{$}", Console, public, web.Reads, plain(consoleSlash), operation{}},

	// The platform probes, and everybody finds their way.
	{"GET", "/healthz", "", public, web.Reads, plain(healthy),
		op("healthz", byPlatform, "Ask whether the process is up").gives(200, "The process is up.", stateJSON{})},
	{"GET", "/readyz", "", public, web.Reads, deployment(ready),
		op("readyz", byPlatform, "Ask whether the store takes writes, the bus answers and the topics exist").gives(200, "They do.", stateJSON{})},
	{"GET", "/metrics", "", auth.Read, web.Reads, deployment(showMetrics),
		op("metrics", byPlatform, "Read the metrics, as Prometheus does").
			note("404 unless the environment has OTEL_METRICS_EXPORTER=prometheus: see docs/observe.md.").
			serves("The metrics.", prometheusType)},
	{"GET", "/whoami", "", auth.Any, web.Reads, plain(showCaller),
		op("whoami", byPeople, "Show who the caller is, and what they may do").gives(200, "The caller.", callerJSON{})},
	{"GET", "/openapi.json", "", auth.Any, web.Reads, plain(serveDocument),
		op("openapi", byPlatform, "Get this document").gives(200, "An OpenAPI 3.1 document.", schema{"type": "object"})},
	{"GET", "/{$}", "", public, web.Reads, guarding(home), operation{}},
	{anyMethod, "/", "", public, web.Reads, plain(noSuchPath), operation{}},
}
