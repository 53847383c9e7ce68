// Package apisource pulls from and pushes to REST interfaces that speak JSON. The
// definition describes how an interface pages, which credentials it takes and where its
// answers hold the rows.
//
// A list is read page by page until a page is empty or no answer leads to another page.
// With paging by position (page, offset), a row that is removed at the source during a
// pull can hide another row from that pull. The next pull returns it.
package apisource

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// Name is the kind's name in a definition.
const Name = "api"

// Kind returns the kind of source.
func Kind() source.Kind { return source.Kind{Name: Name, Check: check, Open: open} }

// api implements source.Source.
type api struct {
	options
	base *url.URL
	rest.Client
}

func open(ctx context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	o, faults := parse(d)
	if len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "datasource.%s", faults[0])
	}
	a := &api{options: o, Client: rest.Client{HTTP: env.HTTP, Timeout: time.Duration(o.TimeoutSeconds) * time.Second, Now: env.Now, Memory: env.Memory}}
	a.base, _ = url.Parse(d.URL)
	if err := a.credentials(ctx, d, env); err != nil {
		return nil, err
	}
	return a, nil
}

// credentials resolves the definition's credentials and signs all calls with them. They
// become secrets that no error shows. So do the values of all headers that the definition
// does not declare public, because a header often holds a token.
func (a *api) credentials(ctx context.Context, d source.Datasource, env source.Env) error {
	headers := make(map[string]string, len(a.Headers))
	for name, value := range a.Headers {
		v, err := env.Credential(ctx, d, "options.headers."+name, value)
		if err != nil {
			return err
		}
		if v != value || !a.public(name) {
			a.Secrets = append(a.Secrets, v)
		}
		headers[name] = v
	}
	own := auth{}
	if a.Auth != nil {
		own = *a.Auth
	}
	for name, value := range map[string]*string{"token": &own.Token, "username": &own.Username, "password": &own.Password} {
		v, err := env.Credential(ctx, d, "options.auth."+name, *value)
		if err != nil {
			return err
		}
		*value = v
	}
	a.Secrets = append(a.Secrets, own.Token, rest.Basic(own.Username, own.Password), own.Password, own.Username)
	for _, text := range append(a.urls(), d.URL) {
		a.Secrets = append(a.Secrets, credential.InURL(text)...)
	}
	a.To = d.Bound()
	a.Sign = func(r *http.Request) {
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		switch {
		case own.Type == "basic":
			r.SetBasicAuth(own.Username, own.Password)
		case own.Type == "apiKey" && own.Query != "":
			q := r.URL.Query()
			q.Set(own.Query, own.Token)
			r.URL.RawQuery = q.Encode()
		case own.Type == "apiKey" && own.Header != "":
			r.Header.Set(own.Header, own.Token)
		case own.Type == "apiKey":
			r.Header.Set("X-Api-Key", own.Token)
		case own.Type == "bearer":
			r.Header.Set("Authorization", "Bearer "+own.Token)
		}
	}
	return nil
}

// callsAtOnce is the most calls with batches that one Push makes, and rowsAtOnce about the most
// rows of them. A run commits before and after each Push, which costs more than a call.
const (
	callsAtOnce = 5
	rowsAtOnce  = 500
)

// PushSize implements source.Source. Where the server chooses keys, one batch at a time is in
// doubt if its answer is lost: such a server may make the rows again.
func (a *api) PushSize() int {
	n, chooses := 1, false
	for _, r := range append(slices.Collect(maps.Values(a.Types)), a.resource) {
		n = max(n, r.Create.size(), r.Update.size(), r.Delete.size())
		chooses = chooses || r.Create != nil && r.Create.ID != ""
	}
	switch {
	case n == 1:
		return 20 // one call for each change; a run saves a checkpoint after this many
	case chooses:
		return n
	}
	return n * max(1, min(callsAtOnce, rowsAtOnce/n))
}

// ChoosesKeys implements source.KeyChooser.
func (a *api) ChoosesKeys(datatype string) bool {
	c := a.of(datatype).Create
	return c != nil && c.ID != ""
}

// Close implements source.Source.
func (a *api) Close() error { return nil }
