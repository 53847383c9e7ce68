package outgoing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/origin"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// everRegistered has a document for each list that ever had a target.
var everRegistered = store.Collection{Kind: "listed"}

// Registration is a request to be called when a list changes, or when something of the types
// happens.
type Registration struct {
	URL      string
	List     string   // "": the default list, unless there are Types
	Types    []string // CloudEvents types that are sent; none: the versions of List
	Subjects []string // with Types, only these services, syncs, entity types or lists; none: all
	Format   string   // "": json, and with types cloudevents
	Secret   string   // signs the webhooks; "": Register makes one
	Filter   string   // CEL: which versions or occurrences are delivered; "": all

	spellings []string // of URL; the first one is canonical
}

// check returns the URL, and fills in the defaults.
func (r *Registration) check() (*url.URL, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "url must be an http or https URL")
	}
	if u.User != nil || u.Fragment != "" || len(r.URL) > 2000 {
		return nil, fault.New(fault.Invalid, "url must have no credentials and no fragment, and at most 2000 bytes")
	}
	variables := ofVersions
	if len(r.Types) > 0 {
		variables = ofOccurrences
		err = r.checkTypes()
	} else {
		err = r.checkList()
	}
	if err != nil {
		return nil, err
	}
	r.spellings = spellings(r.URL, u)
	r.URL = r.spellings[0]
	if r.Filter != "" {
		if _, err := compileFilter(r.Filter, variables); err != nil {
			return nil, err
		}
	}
	if r.Secret != "" {
		if err := checkSecret(r.Secret); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// checkList checks the fields of a registration for a list, and sets their defaults.
func (r *Registration) checkList() error {
	r.List = cmp.Or(r.List, list.Default)
	r.Format = cmp.Or(r.Format, Plain)
	switch {
	case len(r.List) > list.MaxID:
		return fault.New(fault.Invalid, "externalTaskListId has at most %d bytes", list.MaxID)
	case len(r.Subjects) > 0:
		return fault.New(fault.Invalid, "subjects needs types: a list has no subjects")
	case r.Format != Plain && r.Format != CloudEvents:
		return fault.New(fault.Invalid, "format must be %s or %s", Plain, CloudEvents)
	}
	return nil
}

// Register adds a URL to call, if the URL consents. Another registration of the same URL for
// the same list, or for types, changes nothing. Only the first answer has the secret.
// Conflict: the registration that is there differs from the request.
func (s *Service) Register(ctx context.Context, r Registration) (t *Target, created bool, err error) {
	u, err := r.check()
	if err != nil {
		return nil, false, err
	}
	t = &Target{ID: idOf(r.URL, r.List), URL: r.URL, List: r.List}
	for {
		there, err := s.registrations(ctx, r.spellings, r.List)
		if err != nil {
			return nil, false, err
		}
		if len(there) > 0 {
			if t, err = parseTarget(there[0]); err != nil {
				return nil, false, err
			}
			if err := r.differs(t); err != nil {
				return nil, false, err
			}
			t.hideSecrets()
			return t, false, nil
		}
		if err := s.consent(ctx, u); err != nil {
			return nil, false, err
		}
		t.Format, t.Secret, t.State, t.CreatedAt, t.Next, t.Head = r.Format, r.Secret, Active, s.now(), 1, 1
		t.Filter, t.Types, t.Subjects = r.Filter, r.Types, r.Subjects
		if t.Secret == "" {
			t.Secret = signature.NewSecret()
		}
		err = s.add(ctx, t)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		s.registrationsChanged()
		return t, true, err
	}
}

// differs returns an error if the URL is registered otherwise than r says: the caller would
// wait for deliveries that are never made, or could not verify them.
func (r *Registration) differs(t *Target) error {
	same := func(a, b []string) bool {
		a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
		return slices.Equal(slices.Compact(a), slices.Compact(b))
	}
	var fields []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"types", same(r.Types, t.Types)}, {"subjects", same(r.Subjects, t.Subjects)}, {"filter", r.Filter == t.Filter}, {"format", r.Format == t.Format},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	switch {
	case len(fields) > 0:
		return fault.New(fault.Conflict, `this URL is registered already, with other values of %s: to change them, end that registration with POST /unregister-webhook {"id": %q}, and register again`,
			strings.Join(fields, ", "), t.ID)
	case r.Secret != "" && subtle.ConstantTimeCompare([]byte(r.Secret), []byte(t.Secret)) == 0:
		return fault.New(fault.Conflict, `this URL is registered already, with another secret: POST /webhooks/%s/rotate {"secret"} changes it`, t.ID)
	}
	return nil
}

// add stores a new target.
func (s *Service) add(ctx context.Context, t *Target) error {
	if len(t.Types) > 0 {
		_, err := s.docs.Commit(ctx, []store.Write{t.write()})
		return err
	}
	l, err := s.lists.Read(ctx, t.List)
	if err != nil {
		return err
	}
	t.Version = l.Version // earlier versions are not delivered
	_, err = s.docs.Commit(ctx, []store.Write{t.write(), {
		Collection: everRegistered, Doc: store.Doc{ID: t.List, Body: []byte(`{}`)}, Any: true,
	}})
	return err
}

// registrationsChanged forgets the subscriptions that were read, and tells viewers that a
// target was added or removed.
func (s *Service) registrationsChanged() {
	s.subscriptions.forget()
	s.changed()
}

// consent returns nil if the target may be called.
func (s *Service) consent(ctx context.Context, u *url.URL) error {
	if s.consents != nil && s.consents(u) {
		return nil
	}
	return s.sender.askConsent(ctx, u)
}

// Unregister stops deliveries to a URL: for a list or for types as the request names them, or
// for the default list and for types if it names neither. was reports whether the URL was
// registered. Invalid: it was not, and no URL was ever registered for this list.
func (s *Service) Unregister(ctx context.Context, r Registration) (was bool, err error) {
	alone := r.List == "" && len(r.Types) == 0
	if _, err := r.check(); err != nil {
		return false, err
	}
	lists := []string{r.List}
	if alone {
		lists = append(lists, "") // that for types
	}
	there, err := s.registrations(ctx, r.spellings, lists...)
	if err != nil {
		return false, err
	}
	if len(there) == 0 {
		if len(r.Types) > 0 {
			return false, nil
		}
		listed, err := s.docs.Get(ctx, everRegistered, []string{r.List})
		if err != nil {
			return false, err
		}
		if listed[0] == nil {
			return false, fault.New(fault.Invalid, "no webhook was ever registered for the list %q", r.List)
		}
		return false, nil
	}
	var writes []store.Write
	for _, d := range there {
		writes = append(writes, store.Write{Collection: registered, Doc: store.Doc{ID: d.ID}, Delete: true, Any: true})
	}
	_, err = s.docs.Commit(ctx, writes)
	s.registrationsChanged()
	return true, err
}

// UnregisterID removes the target with the id. was is false if there is none.
func (s *Service) UnregisterID(ctx context.Context, id string) (was bool, err error) {
	t, err := s.targets.find(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = s.docs.Commit(ctx, []store.Write{{Collection: registered, Doc: store.Doc{ID: t.docID()}, Delete: true, Any: true}})
	s.registrationsChanged()
	return true, err
}

// registrations returns the documents of the URL's targets for the lists, of which "" stands
// for types. There is one for each, or several if an earlier release registered the URL in
// several spellings.
func (s *Service) registrations(ctx context.Context, spellings []string, lists ...string) (there []store.Doc, err error) {
	var ids []string
	for _, list := range lists {
		for _, spelling := range spellings {
			ids = append(ids, (&Target{ID: idOf(spelling, list), List: list}).docID())
		}
	}
	docs, err := s.docs.Get(ctx, registered, ids)
	for _, d := range docs {
		if d != nil {
			there = append(there, *d)
		}
	}
	return there, err
}

// spellings returns the spellings of a URL under which it may be registered. The first one
// is canonical, as in RFC 3986, 6.2.3: scheme and host in lower case, no default port, and
// / for an empty path. Earlier releases registered a URL as it was written, so the others
// are the given one, and the canonical one without that /.
func spellings(given string, u *url.URL) []string {
	c := *u
	c.Scheme, c.Host = strings.ToLower(u.Scheme), origin.Host(strings.ToLower(u.Scheme), u.Host)
	if c.Path == "" {
		c.Path = "/"
	}
	all := []string{c.String()}
	if c.Path == "/" {
		c.Path = ""
		all = append(all, c.String())
	}
	if !slices.Contains(all, given) {
		all = append(all, given)
	}
	return all
}

// idOf returns an id that depends on the parts alone.
func idOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write(append([]byte(p), 0)) // never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
