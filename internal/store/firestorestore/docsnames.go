package firestorestore

import (
	"encoding/base64"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// maxIDBytes bounds the ids and scopes of documents. Encoded, an id of that length has at
// most 1,335 of the 1,500 bytes that Firestore allows. A long scope becomes a prefix and a
// hash.
const maxIDBytes = 1000

func validID(id string) bool { return id != "" && len(id) <= maxIDBytes }

// docs returns the Firestore collection of c. All of them have one name, because Firestore's
// settings (exemptions, expiry) apply to collections of one name. A docID has no ":", so the
// names of two scopes differ.
func (s *Store) docs(c store.Collection) (*firestore.CollectionRef, error) {
	if len(c.Scope) > maxIDBytes {
		return nil, fault.New(fault.Invalid, "a scope has %d bytes, and %d is the most", len(c.Scope), maxIDBytes)
	}
	name := c.Kind
	if c.Scope != "" {
		name += ":" + docID(c.Scope)
	}
	return s.client.Collection(colScopes).Doc(name).Collection(colDocs), nil
}

// commitMark returns the document that marks a commit. No kind begins with ":".
func (s *Store) commitMark(attempt string) *firestore.DocumentRef {
	return s.client.Collection(colScopes).Doc(":commits").Collection(colDocs).Doc(attempt)
}

// encodeID returns the Firestore name of a document. Names are ASCII, and sort like the ids'
// bytes. None can be taken for a path or a reserved name, or sort differently.
//
// Bytes of an id are kept up to the first byte outside of a-z, A-Z, 0-9, "-", ":" and "_" (a
// leading "_" counts as outside). From there on the id is in base64, after a mark. The mark
// sorts among the kept bytes as the byte that it stands for, and the base64 alphabet is in
// ASCII order. So the whole name sorts like the id.
func encodeID(id string) string {
	for i := range len(id) {
		if m := escape(id[i], i == 0); m != 0 {
			return id[:i] + string(m) + ordered.EncodeToString([]byte(id[i:]))
		}
	}
	return id
}

// decodeID is the inverse of encodeID.
func decodeID(name string) (string, error) {
	for i := range len(name) {
		if escape(name[i], i == 0) == 0 {
			continue
		}
		rest, err := ordered.DecodeString(name[i+1:])
		if err != nil {
			return "", fault.Wrap(fault.Internal, err, "firestorestore: %.80q is not the name of a document", name)
		}
		return name[:i] + string(rest), nil
	}
	return name, nil
}

// ordered is base64 with an alphabet in ASCII order, without padding.
var ordered = base64.NewEncoding("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz~").WithPadding(base64.NoPadding).Strict()

// escape returns the mark for a byte that is not kept, and 0 for one that is. Every mark is
// itself a byte that is not kept, so decodeID finds it.
func escape(c byte, first bool) byte {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == ':':
		return 0
	case c == '_' && !first: // Firestore reserves __x__
		return 0
	case c < '-':
		return '+'
	case c < '0':
		return '.'
	case c < 'A':
		return '='
	case c <= '_':
		return '^'
	case c < 'a' && first:
		return '^'
	case c < 'a':
		return '`'
	default:
		return '~'
	}
}
