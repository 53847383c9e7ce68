// Package apisource pulls from and pushes to REST interfaces that speak JSON. What
// they differ in (paging, credentials, where things are in an answer) is the
// definition's to say.
//
// A list is read page by page to its end: until a page is empty, or nothing
// leads to another. With paging by position (page, offset) a row that is removed
// at the source during a pull can hide another from it; the next pull brings that.
package apisource

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/source"
	"github.com/headgate/headgate/internal/source/rest"
)

// Name of the kind.
const Name = "api"

// Kind returns the kind of source.
func Kind() source.Kind { return source.Kind{Name: Name, Check: check, Open: open} }

// api is the source.
type api struct {
	options
	base *url.URL
	rest.Client
}

func open(ctx context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	if faults := check(d); len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "datasource.%s", faults[0])
	}
	o, _ := decode(d)
	a := &api{options: o, Client: rest.Client{HTTP: env.HTTP, Timeout: time.Duration(o.TimeoutSeconds) * time.Second, Now: env.Now}}
	a.base, _ = url.Parse(d.URL)
	if err := a.credentials(ctx, env); err != nil {
		return nil, err
	}
	return a, nil
}

// secretHeader are headers whose values no error may show, wherever they are from.
var secretHeader = regexp.MustCompile("(?i)key|token|secret|auth|cookie|pass|signature")

// credentials resolves them once.
func (a *api) credentials(ctx context.Context, env source.Env) error {
	headers := make(map[string]string, len(a.Headers))
	for name, value := range a.Headers {
		v, err := env.Secret(ctx, value)
		if err != nil {
			return err
		}
		if v != value || secretHeader.MatchString(name) {
			a.Secrets = append(a.Secrets, v)
		}
		headers[name] = v
	}
	own := a.Auth
	if own == nil {
		own = &auth{}
	}
	token, err := env.Secret(ctx, own.Token)
	if err != nil {
		return err
	}
	password, err := env.Secret(ctx, own.Password)
	if err != nil {
		return err
	}
	basic := base64.StdEncoding.EncodeToString([]byte(own.Username + ":" + password))
	a.Secrets = append(a.Secrets, token, basic, password)
	a.Sign = func(r *http.Request) {
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		switch {
		case own.Type == "basic":
			r.SetBasicAuth(own.Username, password)
		case own.Type == "apiKey" && own.Query != "":
			q := r.URL.Query()
			q.Set(own.Query, token)
			r.URL.RawQuery = q.Encode()
		case own.Type == "apiKey" && own.Header != "":
			r.Header.Set(own.Header, token)
		case own.Type == "apiKey":
			r.Header.Set("X-Api-Key", token)
		case own.Type == "bearer":
			r.Header.Set("Authorization", "Bearer "+token)
		}
	}
	return nil
}

// PushSize implements source.Source.
func (a *api) PushSize() int {
	n := 1
	for _, r := range append(slices.Collect(maps.Values(a.Types)), &a.resource) {
		n = max(n, r.Create.size(), r.Update.size(), r.Delete.size())
	}
	if n == 1 {
		return 20 // calls, between two checkpoints
	}
	return n
}

// ChoosesKeys implements source.KeyChooser.
func (a *api) ChoosesKeys(datatype string) bool {
	c := a.of(datatype).Create
	return c != nil && c.ID != ""
}

// Close implements source.Source.
func (a *api) Close() error { return nil }
