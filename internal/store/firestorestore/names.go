package firestorestore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// longName is where a name's document id becomes a prefix and a hash: ids are
// limited, and each write of a pointer carries two of them.
const longName = 100

// docID returns the document id of any name: readable where it can be, and never
// the same for two names. Everything but letters, digits, space, "-", "_" and
// "." is percent-encoded, and so is what Firestore reserves (".", "..", "__x__").
// "~" and ":" never come from a name, so they can separate what is added to one.
func docID(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == ' ', c == '-', c == '_', c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	id := b.String()
	if id == "." || id == ".." || strings.HasPrefix(id, "__") {
		id = fmt.Sprintf("%%%02X", id[0]) + id[1:]
	}
	if len(id) > longName {
		sum := sha256.Sum256([]byte(name))
		id = id[:longName/2] + "~" + hex.EncodeToString(sum[:16])
	}
	return id
}

// spread reverses an id. Ids may begin with the time, and Firestore slows down
// where the names of new documents follow one another. (A pointer keeps its id as
// it is: among equal times, queries order by it. What limits pointers is the index
// of their times all the same, and shards spread both.)
func spread(id string) string {
	b := []byte(id)
	slices.Reverse(b)
	return string(b)
}

// endpointDoc is the document of an endpoint, above its pointers.
func (s *Store) endpointDoc(ep store.Endpoint) *firestore.DocumentRef {
	return s.client.Collection("endpoints").Doc(docID(ep.Service) + ":" + docID(ep.Key))
}

// pending returns an endpoint's collections of pointers, one per shard. Each
// endpoint's have a name of their own, and are not below the service's document:
// the emulator scans all that ever was in collections of one name, and every
// check would pay for the other endpoints. The name is short, as a claim's commit
// has it once per pointer.
func (s *Store) pending(ep store.Endpoint) []*firestore.CollectionRef {
	first := s.endpointDoc(ep)
	sum := sha256.Sum256([]byte(first.ID))
	name := colPending + "-" + hex.EncodeToString(sum[:8])
	shards := []*firestore.CollectionRef{first.Collection(name)}
	for i := 1; i < ep.Shards; i++ {
		shards = append(shards, s.client.Collection("endpoints").Doc(first.ID+"~"+strconv.Itoa(i)).Collection(name))
	}
	return shards
}

// pointer returns the document of a pointer. Its id has the time in it: a key
// that is used again after it was forgotten makes another pointer, not the same.
// It has the size, too: a field would be indexed, and cannot be exempted in
// collections whose names are not known beforehand.
func (s *Store) pointer(shards []*firestore.CollectionRef, p event.Ref) *firestore.DocumentRef {
	n := 0
	if len(shards) > 1 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(p.ID))
		n = int(h.Sum32() % uint32(len(shards)))
	}
	return shards[n].Doc(p.ID + "." + strconv.FormatInt(p.ReceivedAt.UnixMicro(), 36) + "." + strconv.FormatInt(p.Size, 36))
}

// parsePointer is the inverse of pointer.
func parsePointer(docID string) (event.Ref, error) {
	f := strings.Split(docID, ".")
	if len(f) != 3 {
		return event.Ref{}, fmt.Errorf("firestorestore: %.80q is not a pointer", docID)
	}
	at, err := strconv.ParseInt(f[1], 36, 64)
	if err != nil {
		return event.Ref{}, err
	}
	size, err := strconv.ParseInt(f[2], 36, 64)
	return event.Ref{ID: f[0], ReceivedAt: time.UnixMicro(at).UTC(), Size: size}, err
}
