package firestorestore

import "cloud.google.com/go/firestore"

// Names of the collections.
const (
	colEvents  = "events"
	colParts   = "parts"
	colPending = "pending"
	colOutbox  = "outbox"
	colDocs    = "docs"
	colCommits = "commits"
)

// kinds of documents. Production needs settings for each, so a kind that is not
// here is refused: add it, and run the test of the indexes with -update.
var kinds = []string{
	"aliases", "conflicts", "deliveries", "drafts", "listed", "lists", "records", "rejects", "runs", "seen", "sessions", "state", "syncs", "webhooks",
}

// shape is what a query asks of the indexes. Every query is built from one, and
// a test compares the shapes with firestore.indexes.json: the emulator, which
// needs no index, would not tell.
type shape struct {
	collection string
	equal      string // field compared for equality, "" if none
	order      string // field ordered by, and compared for range, "" if none
	descending bool
	paged      bool // cursors name a document, too
}

var (
	byReceivedAt     = shape{collection: colPending, order: "receivedAt"}
	byReceivedAtDesc = shape{collection: colPending, order: "receivedAt", descending: true}
	byDue            = shape{collection: colOutbox, order: "nextAttemptAt"}
	byEventID        = shape{collection: colOutbox, equal: "eventID"}
	byDateDesc       = shape{collection: colOutbox, order: "date", descending: true}
	byStateDateDesc  = shape{collection: colOutbox, equal: "state", order: "date", descending: true}
	byStateDate      = shape{collection: colOutbox, equal: "state", order: "date", paged: true}

	shapes = []shape{byReceivedAt, byReceivedAtDesc, byDue, byEventID, byDateDesc, byStateDateDesc, byStateDate}
)

// byDocID needs no index, but there is none of descending names either.
func byDocID(kind string) shape { return shape{collection: kind, order: firestore.DocumentID} }

func byDocOrder(kind string, descending bool) shape {
	return shape{collection: kind, order: "order", descending: descending, paged: true}
}

// on builds the query; value is what the equality compares with.
func (s shape) on(col *firestore.CollectionRef, value any) firestore.Query {
	q := col.Query
	if s.equal != "" {
		q = q.Where(s.equal, "==", value)
	}
	if s.order != "" {
		dir := firestore.Asc
		if s.descending {
			dir = firestore.Desc
		}
		q = q.OrderBy(s.order, dir)
		if (s.descending || s.paged) && s.order != firestore.DocumentID { // the order that indexes break ties in, said for the cursor's sake
			q = q.OrderBy(firestore.DocumentID, dir)
		}
	}
	return q
}
