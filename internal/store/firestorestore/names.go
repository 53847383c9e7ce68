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

// longName is the length above which a document id is a prefix and a hash of its name.
// Firestore limits the length of ids, and each write of a pointer carries two of them.
const longName = 100

// docID returns a document id for any name. It is readable where possible, and different for
// different names. All characters except letters, digits, space, "-", "_" and "." are
// percent-encoded, and so are the ids that Firestore reserves (".", "..", "__x__"). A name
// never yields "~" or ":", so these can separate a suffix.
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

// spread reverses an id. Ids may begin with the time, and Firestore limits the rate of new
// documents whose names follow one another. (A pointer keeps its id, because queries order
// equal times by it. The index of times limits pointers in any case, and shards spread both.)
func spread(id string) string {
	b := []byte(id)
	slices.Reverse(b)
	return string(b)
}

type endpointName struct{ service, key string }

// endpointDoc returns the document of an endpoint. Its pointers are below it.
func (s *Store) endpointDoc(ep store.Endpoint) *firestore.DocumentRef {
	return s.endpointDocs.get(endpointName{ep.Service, ep.Key}, func() *firestore.DocumentRef {
		return s.client.Collection(colEndpoints).Doc(docID(ep.Service) + ":" + docID(ep.Key))
	})
}

// shards returns an endpoint's collections of pointers, one per shard. They have a name of
// their own per endpoint: the emulator scans all collections of one name, deleted documents
// included, so every check would pay for the other endpoints. The name is short, because a
// claim's commit contains it once per pointer.
func (s *Store) shards(ep store.Endpoint) []*firestore.CollectionRef {
	return s.shardsOf(ep, colPending)
}

// setName names the endpoint's collections of one kind of pointers.
type setName struct {
	endpoint store.Endpoint
	kind     string
}

// shardsOf returns the endpoint's collections of one kind of pointers. They must not be changed.
func (s *Store) shardsOf(ep store.Endpoint, kind string) []*firestore.CollectionRef {
	return s.sets.get(setName{ep, kind}, func() []*firestore.CollectionRef {
		first := s.endpointDoc(ep)
		sum := sha256.Sum256([]byte(first.ID))
		name := kind + "-" + hex.EncodeToString(sum[:8])
		shards := []*firestore.CollectionRef{first.Collection(name)}
		for i := 1; i < ep.Shards; i++ {
			shards = append(shards, s.client.Collection(colEndpoints).Doc(first.ID+"~"+strconv.Itoa(i)).Collection(name))
		}
		return shards
	})
}

// pointer returns the document of a pointer. Its id contains the time, so that an event id
// which is used again after it was forgotten gets another pointer. It also contains the size:
// a field would be indexed, and Firestore can exempt fields only in collections whose names
// are known beforehand (docs/decisions/001).
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
