package firestorestore

import (
	"encoding/base64"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// maxIDBytes of a document's id become at most 1,335, of the 1,500 that
// Firestore allows; as many of a scope become a prefix and a hash.
const maxIDBytes = 1000

func validID(id string) bool { return id != "" && len(id) <= maxIDBytes }

// docs is the collection as Firestore has it: its name is the kind, because
// settings (indexes, exemptions, expiry) go by the name of a collection.
func (s *Store) docs(c store.Collection) (*firestore.CollectionRef, error) {
	if !slices.Contains(kinds, c.Kind) {
		return nil, fault.New(fault.Internal, "firestorestore: documents of kind %q have no settings: add it to kinds", c.Kind)
	}
	if len(c.Scope) > maxIDBytes {
		return nil, fault.New(fault.Invalid, "a scope has %d bytes, and %d is the most", len(c.Scope), maxIDBytes)
	}
	scope := "~" // which docID never makes
	if c.Scope != "" {
		scope = docID(c.Scope)
	}
	return s.client.Collection(colDocs).Doc(scope).Collection(c.Kind), nil
}

// encodeID returns the name of a document. Names sort as ids do, by bytes, and
// are ASCII: what could be read otherwise (as a path, a reserved name, in another
// order) does not occur. An id is written as it is up to its first byte outside
// a-z, A-Z, 0-9, "-", ":" and "_" (unless that is the first); from there on in
// base64, after a mark. The mark sorts as the byte does among those that are
// written as they are, and base64's alphabet is in order, so the name does.
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

// ordered is base64 with an alphabet in the order of ASCII, without padding.
var ordered = base64.NewEncoding("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz~").WithPadding(base64.NoPadding).Strict()

// escape returns what stands before a byte that is not written as it is, and 0 for
// one that is. Every mark is such a byte itself.
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
