package firestorestore

import "cloud.google.com/go/firestore"

// Names of the collections. A database may belong to other applications too, and Firestore's
// settings apply to all collections of a name.
const (
	colServices  = "headgate-services"
	colEndpoints = "headgate-endpoints"
	colScopes    = "headgate-scopes"
	colEvents    = "headgate-events"
	colParts     = "headgate-parts"
	colMessages  = "headgate-messages"
	colDocs      = "headgate-docs"
	colPending   = "headgate-p"
	colWaiting   = "headgate-w"
)

// shape describes the index that a query needs. Every query is built from a shape, and a test
// refuses shapes that need a composite index: the emulator needs none, and would not notice.
type shape struct {
	collection string
	equal      string // field compared for equality, "" if none
	order      string // field ordered by, and compared for range, "" if none
	descending bool
	paged      bool // cursors also contain a document's name
}

var (
	byReceivedAt     = shape{collection: colPending, order: "receivedAt"}
	byReceivedAtDesc = byReceivedAt.sorted(true)

	byDue        = shape{collection: colMessages, order: "nextAttemptAt"}
	byEventID    = shape{collection: colMessages, equal: "eventID"}
	byDate       = shape{collection: colMessages, order: "at"}
	byState      = shape{collection: colMessages, order: "stateAt"}
	byKey        = shape{collection: colMessages, order: "keyAt", descending: true}
	byCompletion = shape{collection: colMessages, order: "completionAt", descending: true}

	byKeyHash    = byDocID(colWaiting) // the name of a pointer begins with a hash of its key
	byWindowTime = shape{collection: colWaiting, order: waitingField}
	byReceipt    = shape{collection: colEvents, order: receiptField}

	byID        = byDocID(colDocs)
	byOrder     = shape{collection: colDocs, order: "order", paged: true}
	byOrderDesc = byOrder.sorted(true)

	shapes = []shape{
		byReceivedAt, byReceivedAtDesc, byDue, byEventID, byDate, byDate.sorted(true), byState, byState.sorted(true), byKey, byCompletion,
		byKeyHash, byWindowTime, byReceipt, byID, byOrder, byOrderDesc, expired(colEvents), expired(colMessages), expired(colDocs),
	}
)

// byDocID returns the shape of a query by id. Firestore always has that index, but only
// ascending.
func byDocID(collection string) shape {
	return shape{collection: collection, order: firestore.DocumentID}
}

// expired returns the shape of a query for documents that have expired. The field is exempt only
// where a TTL policy deletes these documents, so that no query is needed.
func expired(collection string) shape { return shape{collection: collection, order: "expireAt"} }

// sorted returns the shape of the same query in this direction.
func (s shape) sorted(descending bool) shape {
	s.descending = descending
	return s
}

// on builds the query on a collection. value is what the field in equal is compared with.
func (s shape) on(col *firestore.CollectionRef, value ...any) firestore.Query {
	q := col.Query
	if s.equal != "" {
		q = q.Where(s.equal, "==", value[0])
	}
	if s.order != "" {
		dir := firestore.Asc
		if s.descending {
			dir = firestore.Desc
		}
		q = q.OrderBy(s.order, dir)
		if s.paged { // indexes break ties by name; cursors need that explicitly
			q = q.OrderBy(firestore.DocumentID, dir)
		}
	}
	return q
}
