package functions

import (
	"reflect"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/live/journal"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/sync/exchange"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/unused"
	"github.com/headgate/headgate/internal/webhook/outgoing"
	"github.com/headgate/headgate/live"
)

var documentInfo = schema{
	"title": "Headgate", "version": "1", "summary": "Events in, exactly one sync message out.",
	"license": schema{"name": "Apache-2.0", "identifier": "Apache-2.0"},
	"description": "Short paths serve the only or the first service. Every path of the gate exists under /services/{serviceName} too. " +
		"Syncs, records, live clients, webhooks and drafts belong to the whole deployment and have one path each.",
}

var documentTags = []schema{
	{"name": bySources, "description": "Systems that send events, records and webhooks."},
	{"name": byScheduler, "description": "Cloud Scheduler, Eventarc and Pub/Sub."},
	{"name": byPeople, "description": "People who operate the deployment, and their scripts."},
	{"name": byConsumers, "description": "Systems and pages that read what comes out."},
	{"name": byPlatform, "description": "The platform that runs the process."},
}

var requestID = inHeader("X-Request-Id", "The request's id, for the log and the answer: up to 128 letters, digits and -_.~:=+/. Default: a random one.")

var answerHeaders = schema{
	"ETag":                   schema{"schema": schema{"type": "string"}, "description": "The version of what the answer shows."},
	"Location":               schema{"schema": schema{"type": "string"}, "description": "The path of the resource that was made, or of the one that conflicts with the request."},
	"Allow":                  schema{"schema": schema{"type": "string"}, "description": "The methods that the path takes."},
	"WebHook-Allowed-Origin": schema{"schema": schema{"type": "string"}, "description": "The origin that asked for the consent to deliver."},
	"WebHook-Allowed-Rate":   schema{"schema": schema{"type": "string"}, "description": "The deliveries per minute that it asked for, or * for any."},
	"WWW-Authenticate":       schema{"schema": schema{"type": "string"}, "description": "Bearer."},
	"Retry-After":            schema{"schema": schema{"type": "integer", "minimum": 1}, "description": "Seconds to wait before the same request is sent again."},
}

// problem is an answer that reports a failure.
type problemNote struct{ name, text, header string }

var problems = map[int]problemNote{
	400: {"Invalid", "The request is not valid. detail names the field and the rule.", ""},
	401: {"Unauthenticated", "Credentials are missing or not valid.", "WWW-Authenticate"},
	403: {"Forbidden", "The caller lacks the role. Or the request names a host that is not this deployment's. Or a browser sent it for a page of another origin that the configuration does not list.", ""},
	404: {"NotFound", "There is no such service, endpoint, message, sync, run, record or path.", ""},
	405: {"MethodNotAllowed", "The path does not take this method.", "Allow"},
	409: {"Conflict", "The present state does not permit it. detail says why. If a run prevents it, Location is its path.", "Location"},
	410: {"Gone", "The message's events expired, or the record was deleted.", ""},
	412: {"PreconditionFailed", "If-Match or If-None-Match does not hold. Read the current version and decide again.", ""},
	413: {"TooLarge", "The body is larger than the limit that detail names, or needs more memory than this process has for bodies.", ""},
	429: {"TooMany", "More events wait than maxPending. Nothing is stored: send the same request again later.", "Retry-After"},
	500: {"Internal", "Headgate failed. Its log has the cause under the request's id.", ""},
	503: {"Unavailable", "The store or the bus does not answer, or the memory for the request is in use. Send the same request again.", "Retry-After"},
}

// note adds to the schema of a use case's field what its Go type does not say. Use cases
// do not know the document. The types of functions have tags instead.
type note struct {
	text   string
	enum   []any
	schema schema // further keywords
	null   bool   // the value may be null
	hidden bool   // no answer has the field
}

// schemaNames has the names of schemas that differ from the names of their Go types.
var schemaNames = map[reflect.Type]string{
	reflect.TypeFor[batchJSON]():        "BatchResult",
	reflect.TypeFor[itemJSON]():         "BatchItem",
	reflect.TypeFor[messageJSON]():      "MessageInfo",
	reflect.TypeFor[syncJSON]():         "StoredSync",
	reflect.TypeFor[createdSyncJSON]():  "CreatedSync",
	reflect.TypeFor[runAnswer]():        "StartedRun",
	reflect.TypeFor[windowJSON]():       "Pending",
	reflect.TypeFor[waitingJSON]():      "PendingEndpoint",
	reflect.TypeFor[pendingJSON]():      "PendingEvent",
	reflect.TypeFor[endpointJSON]():     "EndpointStatus",
	reflect.TypeFor[lagJSON]():          "MessageLag",
	reflect.TypeFor[wholeMessage]():     "SyncMessage",
	reflect.TypeFor[messageEvent]():     "Event",
	reflect.TypeFor[echoAnswer]():       "Echoed",
	reflect.TypeFor[clientsJSON]():      "LiveClients",
	reflect.TypeFor[sessionJSON]():      "SessionOpened",
	reflect.TypeFor[endedJSON]():        "SessionEnded",
	reflect.TypeFor[unregisteredJSON](): "WebhookRemoved",
	reflect.TypeFor[deliveredJSON]():    "WebhooksSwept",

	reflect.TypeFor[syncrun.Rejected]():  "Reject",
	reflect.TypeFor[exchange.Received](): "ReceivedRecord",
	reflect.TypeFor[syncrun.Decision]():  "ConflictDecision",
	reflect.TypeFor[source.Cursor]():     "Cursor",
	reflect.TypeFor[source.ExtraField](): "DatasourceField",
	reflect.TypeFor[mapping.Type]():      "Mapping",
	reflect.TypeFor[mapping.Field]():     "MappingField",
	reflect.TypeFor[mapping.Cursor]():    "MappingCursor",
	reflect.TypeFor[mapping.Delete]():    "MappingDelete",
	reflect.TypeFor[entity.Entity]():     "Record",
	reflect.TypeFor[event.Record]():      "EventRecord",
	reflect.TypeFor[draft.View]():        "Draft",
	reflect.TypeFor[draft.Draft]():       "DraftValues",
	reflect.TypeFor[draft.Flag]():        "DraftFlag",
	reflect.TypeFor[outgoing.Target]():   "Webhook",
	reflect.TypeFor[outgoing.Attempt]():  "DeliveryAttempt",
	reflect.TypeFor[live.ClientInfo]():   "LiveClient",
	reflect.TypeFor[journal.Entry]():     "LiveSent",
	reflect.TypeFor[live.Name]():         "EntityName",
	reflect.TypeFor[fault.Detail]():      "Fault",
	reflect.TypeFor[unusedJSON]():        "Unused",
	reflect.TypeFor[unused.Setting]():    "UnusedSetting",
}

// neverNil has the types whose embedded pointers are never nil.
var neverNil = map[reflect.Type]bool{reflect.TypeFor[syncrun.Run](): true}

// openSchemas has the schemas that allow unknown members, which are ignored.
var openSchemas = map[string]bool{"Registration": true, "TaskList": true, "Task": true, "PushBody": true, "PushedMessage": true}

var (
	directions = []any{"pull", "push"}
	runStates  = []any{"pending", "running", "finished", "partial", "failed", "cancelled"}
	object     = schema{"type": "object"}
)

// notes has the notes by schema and property.
var notes = map[string]note{
	"PushedMessage.attributes": {null: true},
	"Shortfall.have":           {text: "Events in the window."},
	"Shortfall.need":           {text: "Events that the window needs to be complete."},
	"UnusedSetting.path":       {text: "Its JSON path, such as $.services[0].deadLetter."},
	"UnusedSetting.why":        {text: "Why it has no effect."},
	"Fault.path":               {text: "A JSON path; empty for the whole."},

	"Sync.id":          {text: "Default: one is made.", schema: schema{"pattern": "^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$"}},
	"Sync.orgId":       {text: "The organisation whose records are synced.", schema: schema{"minLength": 1}},
	"Sync.isOneTime":   {text: "The sync runs until one run succeeds, and never again."},
	"Sync.frequency":   {text: "hourly, daily, weekly, or five fields of cron. Left out, the sync runs only when asked."},
	"Sync.timeZone":    {text: "Of frequency: an IANA name. Default: UTC."},
	"Sync.type":        {text: "The direction, seen from here: pull reads from the data source, push writes to it.", enum: []any{"pull", "push", "both"}},
	"Sync.mapping":     {text: "How rows become records, by datatype. Left out, fields keep their names and the key is id."},
	"Sync.conflict":    {text: "Which side wins where both changed a field; manual waits for a decision.", enum: []any{"source", "store", "newest", "manual"}},
	"Sync.maxRejected": {text: "A run fails if more than this share of the rows is rejected.", schema: schema{"minimum": 0, "maximum": 1, "default": 0.2}},
	"Sync.maxDeletes":  {text: "How many of every 100 records a run may delete unasked. Ten it always may.", schema: schema{"minimum": 0, "maximum": 100, "default": 10}},

	"Datasource.type":              {text: "csv, sql, api, legacy-mywell, openfn-adapter or mock-sync-server."},
	"Datasource.url":               {text: "Where the data source is, if its type needs it."},
	"Datasource.fileUrl":           {text: "Of csv: a path below `sync.directory`, http(s):// or gs://."},
	"Datasource.fileFormat":        {text: "csv or tsv."},
	"Datasource.selectedDatatypes": {text: "The datatypes to sync. Default: those that the type of the data source knows.", schema: schema{"items": schema{"type": "string", "minLength": 1}}},
	"Datasource.auth":              {text: "DataCollect's place for the credential."},
	"Datasource.extraFields":       {text: "Options in DataCollect's form."},
	"Datasource.options":           {text: "The options of this type of data source. Unknown ones are faults.", schema: object},

	"Mapping.key":           {text: "The columns that identify a row. Default: id, or what the data source knows."},
	"Mapping.fields":        {text: "Where each field of a record comes from. Left out, all columns are fields under their own names."},
	"Mapping.externalIds":   {text: "Ids of the record elsewhere: the column of each name. They are kept beside the data."},
	"MappingCursor.time":    {text: "The column with the time of a row's last change, or a path into one."},
	"MappingCursor.overlap": {text: "How far back a pull reads again, for rows that were committed late. Default: 5m."},
	"MappingCursor.zone":    {text: "The zone of times in the column that name none. Default: that of the data source, or UTC."},
	"MappingCursor.margin":  {text: "How far the cursor stays behind the clock of the data source. Default: 10s."},
	"MappingDelete.field":   {text: "The column that marks a deleted row."},
	"MappingDelete.equals":  {text: "The value of the column that means deleted."},
	"MappingDelete.missing": {text: "Rows that a pull of everything does not bring are deleted."},
	"MappingField.from":     {text: "A column, or a path into one."},
	"MappingField.const":    {text: "A value."},
	"MappingField.cel":      {text: "An expression over the row, in CEL."},
	"MappingField.type":     {text: "What the value is converted to. Default: as it comes.", enum: []any{"string", "number", "integer", "bool", "time", "json"}},
	"MappingField.format":   {text: "Of a time: rfc3339, date, unix, unixms, or a layout of Go's."},
	"MappingField.zone":     {text: "Of a time without one. Default: UTC."},
	"MappingField.decimal":  {text: "A comma or a point: the sign before the fraction of a number that is a text. With it, the other signs may separate groups of three digits, as in 2.345,75. A push writes the sign, and no groups."},
	"MappingField.formats":  {text: "Of a time, tried in order where it does not have the format, for a column with several. A push writes the format."},

	"Run.method":                   {text: "validate changes nothing and plans.", enum: []any{"validate", "pull", "push", "both"}},
	"Run.state":                    {text: "partial: the run ended, and rows were rejected.", enum: runStates},
	"Run.trigger":                  {text: "What started the run.", enum: []any{"request", "schedule", "message", "command", "webhook"}},
	"Run.eventId":                  {text: "The eventID of the message that started the run."},
	"Run.invocations":              {text: "How many processes worked on the run, one after the other."},
	"Run.allowDeletes":             {text: "The run deletes as many records as are gone, however many."},
	"Run.retry":                    {text: "The run is for rejected rows only."},
	"Run.results":                  {text: "One step per phase and datatype."},
	"Run.plan":                     {text: "Of a validation: the first changes that a run would make."},
	"RejectSummary.partial":        {text: "Not all were read: total counts them all, and reasons only those that were read."},
	"RejectSummary.reasons":        {text: "The most frequent ones first, at most 100."},
	"RejectSummary.more":           {text: "There are further reasons, which are less frequent."},
	"RejectReason.reason":          {text: "With … in place of the values of each row. It selects a list's rejects as reason."},
	"Relinking.stored":             {text: "It was done; otherwise nothing was stored."},
	"RelinkType.from":              {text: "The key's columns until now."},
	"RelinkType.rejected":          {text: "Rows that the next pull will reject."},
	"RelinkType.linked":            {text: "Records that keep their rows."},
	"RelinkType.rowsWithoutRecord": {text: "The next pull makes a record of each."},
	"RelinkType.recordsWithoutRow": {text: "They stay, and a push makes a row of each."},
	"Step.phase":                   {enum: directions},
	"Step.settle":                  {hidden: true},
	"Step.resume":                  {hidden: true},
	"Step.state":                   {enum: runStates},
	"Step.cursorBefore":            {text: "Where the pull began."},
	"Step.cursorAfter":             {text: "Where the next pull begins."},
	"Step.position":                {text: "Of a push: the record up to which all were looked at."},
	"Counts.read":                  {text: "Rows read, or records looked at."},
	"Progress.done":                {text: "In the unit of the data source: rows of a table, bytes of a file."},
	"Progress.total":               {text: "Left out while it is not known."},

	"PlannedChange.phase":  {enum: directions},
	"PlannedChange.line":   {text: "Of a file: the row's line."},
	"PlannedChange.action": {enum: []any{"create", "update", "delete", "reject", "conflict"}},
	"FieldChange.base":     {text: "Of a conflict: the value that both sides had last."},

	"Reject.phase":            {enum: directions},
	"Reject.line":             {text: "Of a file: the row's line."},
	"Reject.key":              {text: "The row's key, if it has one."},
	"Reject.reason":           {text: "What is wrong, for people."},
	"Reject.raw":              {text: "Of a pull: the row as it came."},
	"Reject.mapped":           {text: "Of a push: the record."},
	"Reject.count":            {text: "How often it was rejected."},
	"Reject.runId":            {text: "The run that rejected it last."},
	"Conflict.fields":         {text: "The fields that both sides changed. Null where one side deleted the record.", null: true},
	"Conflict.deleted":        {text: "The row was deleted at the data source, and the record was edited here."},
	"Conflict.deletedHere":    {text: "The record was deleted here, and the row was edited at the data source."},
	"FieldConflict.base":      {text: "The value that both sides had last. Left out where there was none."},
	"FieldConflict.store":     {text: "The value here."},
	"FieldConflict.source":    {text: "The value at the data source."},
	"ConflictDecision.choose": {text: "The side that wins the fields that are not named below.", enum: []any{"source", "store"}},
	"ConflictDecision.fields": {text: "The side that wins each field.", schema: schema{"additionalProperties": schema{"enum": []any{"source", "store"}}}},
	"ConflictDecision.values": {text: "Other values for fields."},
	"ReceivedRecord.index":    {text: "The place of the record in the request, from 0."},
	"ReceivedRecord.result":   {enum: []any{"created", "updated", "deleted", "unchanged", "rejected"}},
	"ReceivedRecord.field":    {text: "Of a rejected record: the field that is wrong."},
	"ReceivedRecord.reason":   {text: "Of a rejected record: what is wrong, for people."},
	"Record.version":          {text: "It grows with every change. The ETag has it too."},
	"Record.data":             {text: "The record's fields. Left out if it is deleted.", schema: object},
	"Record.externalIds":      {text: "The record's ids elsewhere, by name."},

	"EntityName.entity":        {text: "The entity's type: items, or acme/items of another organisation."},
	"LiveClient.transport":     {enum: []any{"websocket", "sse"}},
	"LiveClient.protocol":      {text: "1 is entity-sync's, 2 is Headgate's.", enum: []any{1, 2}},
	"LiveClient.remote":        {text: "The address that it connected from."},
	"LiveClient.subscriptions": {text: "The first of its subscriptions.", null: true},
	"LiveClient.count":         {text: "How many subscriptions it has."},
	"LiveClient.sent":          {text: "Frames that were sent to it."},
	"LiveClient.waiting":       {text: "Frames that wait for it."},
	"LiveSent.gone":            {text: "The entity is deleted."},
	"LiveSent.clients":         {text: "How many clients had subscribed."},

	"Taken.duplicate": {text: "This webhook was taken before, and changed nothing now."},
	"Taken.entity":    {text: "The entity whose live clients were told."},
	"Taken.runId":     {text: "The run that it started."},
	"Taken.eventId":   {text: "The event that it became."},

	"Webhook.format":         {enum: []any{"json", "cloudevents"}},
	"Webhook.secret":         {text: "What the webhooks are signed with. Only the first answer has it."},
	"Webhook.state":          {text: "paused: deliveries failed for long. They are kept, and a retry of one resumes them.", enum: []any{"active", "paused"}},
	"Webhook.version":        {text: "The version of the list that the latest delivery has."},
	"Webhook.next":           {text: "The number of the next delivery."},
	"Webhook.head":           {text: "The number of the oldest delivery that is not made."},
	"Webhook.newest":         {text: "The number of the delivery of the latest version; left out if there is none."},
	"Webhook.replaced":       {text: "Versions that a newer one replaced before they were delivered, for the delivery that is the newest."},
	"Webhook.dropped":        {text: "Deliveries that were given up because more than 100 waited."},
	"Webhook.failures":       {text: "Failures in a row."},
	"Webhook.waitSeconds":    {text: "The wait before the next attempt, in seconds."},
	"Webhook.lastStatus":     {text: "The HTTP status of the last attempt."},
	"Webhook.leaseUntil":     {text: "Until when one instance has the URL to itself."},
	"Delivery.n":             {text: "The delivery's number."},
	"Delivery.version":       {text: "The version of the list."},
	"Delivery.data":          {text: "The list that was sent, up to 512 KiB."},
	"Delivery.large":         {text: "A larger list that was sent: its SHA-256 and the number of its parts."},
	"Delivery.replaced":      {text: "Earlier versions that this one replaced before they were delivered."},
	"Delivery.state":         {enum: []any{"pending", "delivered"}},
	"Delivery.attempts":      {text: "The latest attempts."},
	"Delivery.tries":         {text: "How many attempts there were."},
	"DeliveryAttempt.status": {text: "The HTTP status. Left out if there was no answer."},
	"DeliveryAttempt.tookMs": {text: "Milliseconds."},

	"Draft.version":        {text: "The version of the draft."},
	"DraftValues.saved":    {text: "What the draft is based on, by row."},
	"DraftValues.incoming": {text: "What the source had last, by row."},
	"DraftValues.draft":    {text: "The draft's own values, by row."},
	"Draft.flags":          {text: "The differences that need a decision."},
	"Draft.edited":         {text: "The draft differs from what is saved."},
	"Draft.sourceVersion":  {text: "The version of the source that incoming is. Send it with a decision."},
	"Draft.changedBy":      {text: "The person who changed the draft last, as they named themselves; in parentheses the authenticated caller, if it differs."},
	"Draft.change":         {enum: []any{"edit", "accept", "keep", "save", "discard", "fetch"}},
	"DraftFlag.field":      {text: "Left out where the whole row is meant."},
	"DraftFlag.kind":       {text: "What the source did.", enum: []any{"changed", "added", "deleted"}},
	"DraftEdit.rows":       {text: "The fields to set, by row. A null removes a field or a row.", schema: schema{"additionalProperties": schema{"type": []string{"object", "null"}}}},
}
