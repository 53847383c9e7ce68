package live

import (
	"fmt"
	"strings"
)

// DefaultOrg is the organisation of an entity that names none.
const DefaultOrg = "default"

// Any is the id of a subscription to all entities of a type. Only [Versioned] clients
// have it: a [Plain] one that asks for it is closed.
const Any = "*"

// Key names an entity. An empty ID is an id like others: a list that is the only one of its
// type may have it. The key's organisation separates the tenants of a server that has
// several; for others it is always [DefaultOrg]. The JSON form is what a [Queue] carries.
type Key struct {
	Org  string `json:"org"`
	Type string `json:"type"`
	ID   string `json:"id"`
}

// KeyOf returns the key of an entity as clients name it: "items", or "acme/items" for
// the items of the organisation acme.
func KeyOf(entity, id string) Key {
	if org, typ, ok := strings.Cut(entity, "/"); ok {
		return Key{org, typ, id}
	}
	return Key{DefaultOrg, entity, id}
}

// Entity returns the name that clients use for the key's organisation and type. No
// other organisation and type share it: KeyOf(k.Entity(), k.ID) is k.
func (k Key) Entity() string {
	if k.Org == DefaultOrg && !strings.Contains(k.Type, "/") {
		return k.Type
	}
	return k.Org + "/" + k.Type
}

const (
	maxEntity = 512
	maxID     = 1000
)

// nameRule tells clients which names of entities are valid.
var nameRule = fmt.Sprintf("the entity must have 1 to %d bytes, and the id at most %d", maxEntity, maxID)

// A KeyError says why a key does not name an entity.
type KeyError struct {
	Key    Key
	Reason string
}

// Error returns the reason. It does not repeat the key, which may be long.
func (e *KeyError) Error() string { return e.Reason }

// Validate returns nil if the key can name one entity, and a [*KeyError] otherwise.
func (k Key) Validate() error {
	switch {
	case k.ID == Any:
		return &KeyError{k, `the id "*" names no entity: name each one that changed`}
	case !k.subscribable():
		return &KeyError{k, nameRule}
	}
	return nil
}

// subscribable reports whether a client may subscribe to the key: it names an entity,
// or all entities of a type.
func (k Key) subscribable() bool {
	return k.Org != "" && k.Type != "" && len(k.Org)+len(k.Type) <= maxEntity && len(k.ID) <= maxID
}

// anyOfType returns the key of subscriptions to all entities of the key's type.
func (k Key) anyOfType() Key { return Key{k.Org, k.Type, Any} }
