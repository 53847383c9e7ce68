package firestorestore

import "cloud.google.com/go/firestore"

// Names of the collections.
const (
	colEvents  = "events"
	colParts   = "parts"
	colPending = "pending"
	colWaiting = "waiting"
	colOutbox  = "outbox"
	colDocs    = "docs"
	colCommits = "commits"
)

// kinds are the kinds of documents. Production needs settings for each, so an unknown kind
// is refused. To add a kind, add it here, and run TestIndexes with -update.
var kinds = []string{
	"alerts", "aliases", "conflicts", "deliveries", "drafts", "listed", "lists", "records", "rejects", "runs", "seen", "sessions", "state", "syncs", "webhooks",
}

// shape describes the index that a query needs. Every query is built from a shape, and a test
// compares all shapes with firestore.indexes.json, because the emulator needs no index and
// would not notice a missing one.
type shape struct {
	collection string
	equal      []string // fields compared for equality
	order      string   // field ordered by, and compared for range, "" if none
	descending bool
	paged      bool // cursors also contain a document's name
	// merged says that the query has no index of its own: Firestore merges those that its
	// fields have one by one. An index costs with every claim, a merge with this query only.
	merged bool
}

var (
	byReceivedAt         = shape{collection: colPending, order: "receivedAt"}
	byReceivedAtDesc     = shape{collection: colPending, order: "receivedAt", descending: true}
	byDue                = shape{collection: colOutbox, order: "nextAttemptAt"}
	byState              = shape{collection: colOutbox, equal: []string{"state"}}
	byEventID            = shape{collection: colOutbox, equal: []string{"eventID"}}
	byDateDesc           = shape{collection: colOutbox, order: "date", descending: true}
	byStateDateDesc      = shape{collection: colOutbox, equal: []string{"state"}, order: "date", descending: true}
	byKeyDateDesc        = shape{collection: colOutbox, equal: []string{"correlationKey"}, order: "date", descending: true}
	byKeyStateDateDesc   = shape{collection: colOutbox, equal: []string{"correlationKey", "state"}, order: "date", descending: true}
	byCompletionDateDesc = shape{collection: colOutbox, equal: []string{"completion"}, order: "date", descending: true}
	byStateDate          = shape{collection: colOutbox, equal: []string{"state"}, order: "date", paged: true}

	byKeyHash    = byDocID(colWaiting) // the name of a pointer begins with a hash of its key
	byWindowTime = shape{collection: colWaiting, order: waitingField}
	byReceipt    = shape{collection: colEvents, order: receiptField}

	byCompletionStateDateDesc    = byCompletionDateDesc.and("state")
	byKeyCompletionDateDesc      = byCompletionDateDesc.and("correlationKey")
	byKeyCompletionStateDateDesc = byCompletionStateDateDesc.and("correlationKey")

	shapes = []shape{
		byReceivedAt, byReceivedAtDesc, byDue, byState, byEventID, byDateDesc, byStateDateDesc, byKeyDateDesc, byKeyStateDateDesc, byStateDate,
		byKeyHash, byWindowTime, byReceipt,
		byCompletionDateDesc, byCompletionStateDateDesc, byKeyCompletionDateDesc, byKeyCompletionStateDateDesc,
	}
)

// byDocID returns the shape of a query by id. Firestore always has that index, but only
// ascending.
func byDocID(kind string) shape { return shape{collection: kind, order: firestore.DocumentID} }

func byDocOrder(kind string, descending bool) shape {
	return shape{collection: kind, order: "order", descending: descending, paged: true}
}

// and returns the shape of a query that compares one more field, before the others.
func (s shape) and(field string) shape {
	s.equal, s.merged = append([]string{field}, s.equal...), true
	return s
}

// on builds the query on a collection. values are those that the fields in equal are
// compared with.
func (s shape) on(col *firestore.CollectionRef, values ...any) firestore.Query {
	q := col.Query
	for i, field := range s.equal {
		q = q.Where(field, "==", values[i])
	}
	if s.order != "" {
		dir := firestore.Asc
		if s.descending {
			dir = firestore.Desc
		}
		q = q.OrderBy(s.order, dir)
		if (s.descending || s.paged) && s.order != firestore.DocumentID { // indexes break ties by name; cursors need that explicitly
			q = q.OrderBy(firestore.DocumentID, dir)
		}
	}
	return q
}
