// Package list keeps the lists of the source of truth, one document per list.
//
// Incoming webhooks write a list, and outgoing webhooks read it. Each write makes a new
// version, and the document also says which version every target has a delivery of. The
// two numbers live in one document so that a process that dies between storing a version
// and handing it to the targets leaves a trace: [Store.Behind] finds the list, and a
// sweep completes the work.
package list

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// Default is the list of a webhook that names none.
const Default = "task-list-1"

// MaxID bounds the ids of lists and webhooks, in bytes.
const MaxID = 256

// List is a list as the source's last webhook gave it.
type List struct {
	ID         string          `json:"id"`
	Version    int64           `json:"version"`
	Data       json.RawMessage `json:"data,omitempty"`
	Large      *Large          `json:"large,omitempty"` // instead of Data
	ReceivedAt time.Time       `json:"receivedAt"`
	WebhookID  string          `json:"webhookId,omitempty"`
	// Traceparent names the span of the webhook's request, if it was recorded.
	Traceparent string `json:"traceparent,omitempty"`
	// Fanned is the latest version of which every target has a delivery.
	Fanned int64 `json:"fanned"`

	rev string
}

// Store reads and writes lists.
type Store struct{ docs store.Docs }

// NewStore returns the lists that docs has.
func NewStore(docs store.Docs) Store { return Store{docs} }

var lists = store.Collection{Kind: "lists"}

// behindPage is the most lists that one sweep completes.
const behindPage = 100

func (l *List) write() store.Write {
	d := store.Doc{ID: l.ID, Body: Encode(l), Rev: l.rev}
	if l.Fanned < l.Version {
		d.Order = l.ReceivedAt.UnixMicro() // Behind lists by it
	}
	return store.Write{Collection: lists, Doc: d}
}

// Read returns a list. A list that no webhook was about has version 0.
func (s Store) Read(ctx context.Context, id string) (*List, error) {
	docs, err := s.docs.Get(ctx, lists, []string{id})
	if err != nil {
		return nil, err
	}
	if docs[0] == nil {
		return &List{ID: id}, nil
	}
	l := &List{}
	err = json.Unmarshal(docs[0].Body, l)
	l.rev = docs[0].Rev
	return l, err
}

// Commit writes the list, and other documents in the same commit. Data that are too large
// for it become Large. store.ErrConflict means that the list changed since it was read.
func (s Store) Commit(ctx context.Context, l *List, with ...store.Write) error {
	if len(l.Data) > inline {
		large, err := s.writeLarge(ctx, l.Data, l.ReceivedAt)
		if err != nil {
			return err
		}
		l.Data, l.Large = nil, large
	}
	_, err := s.docs.Commit(ctx, append([]store.Write{l.write()}, with...))
	return err
}

// Behind returns the ids of lists whose version some target has no delivery of.
func (s Store) Behind(ctx context.Context) (ids []string, err error) {
	docs, err := s.docs.List(ctx, store.Listing{Collection: lists, ByOrder: true, Limit: behindPage})
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		ids = append(ids, d.ID)
	}
	return ids, nil
}

// Encode returns the JSON of one of our types, which can always be encoded. It does not
// escape for HTML: that can make data of others six times as large, and too large for a
// document.
func Encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("list: encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
