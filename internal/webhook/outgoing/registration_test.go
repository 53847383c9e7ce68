package outgoing_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asks := w.service(func(o *outgoing.Options) { o.Consents = nil })
	r := newReceiver(t)
	_, _, err := asks.Register(t.Context(), outgoing.Registration{URL: r.URL})
	require.Equal(t, fault.Forbidden, fault.CodeOf(err))
	require.ErrorContains(t, err, "WebHook-Allowed-Origin: headgate.example")
	for _, origin := range []string{"other.example", "headgate.example.evil"} {
		r.consents = origin
		_, _, err = asks.Register(t.Context(), outgoing.Registration{URL: r.URL})
		require.Equal(t, fault.Forbidden, fault.CodeOf(err), origin)
	}
	for i, origin := range []string{"*", "headgate.example"} {
		r.consents = origin
		_, created, err := asks.Register(t.Context(), outgoing.Registration{URL: fmt.Sprint(r.URL, "/", i)})
		require.NoError(t, err)
		require.True(t, created)
	}
	options := r.options
	_, created, err := asks.Register(t.Context(), outgoing.Registration{URL: r.URL + "/0"})
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, options, r.options, "a registered target is not asked again")
}

// An internal address is never called, even if it would consent.
func TestHostileTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out, err := outbound.New(outbound.Options{AllowHTTP: true, Attempts: 1, Timeout: 5 * time.Second})
	require.NoError(t, err)
	s := w.service(func(o *outgoing.Options) { o.Consents, o.HTTP = nil, out.HTTP() })
	r := newReceiver(t)
	r.consents = "*"
	for _, target := range []string{
		r.URL, "http://10.0.0.1/", "http://169.254.169.254/computeMetadata/v1/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://localhost/",
	} {
		_, _, err := s.Register(t.Context(), outgoing.Registration{URL: target})
		require.ErrorContains(t, err, "internal address", target)
	}
	require.Zero(t, r.options)
	// A redirect is not followed.
	inside := newReceiver(t)
	redirect := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusTemporaryRedirect))
	defer redirect.Close()
	_, _, err = w.svc.Register(t.Context(), outgoing.Registration{URL: redirect.URL, List: "l"})
	require.NoError(t, err)
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	require.Empty(t, inside.calls())
	require.Contains(t, w.targets()[0].LastError, "redirect")
}

func TestBadRegistrations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range []outgoing.Registration{
		{URL: ""}, {URL: "I am not a URI"}, {URL: "ftp://x/y"}, {URL: "/path"}, {URL: "https://me:pw@example.org/"}, {URL: "https://x/#f"},
		{URL: "https://x/", Format: "xml"}, {URL: "https://x/", Secret: "short"},
	} {
		_, _, err := w.svc.Register(t.Context(), r)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), "%+v", r)
	}
}

// Spellings that mean the same URL are one target, which any of them unregisters.
func TestSpellingsOfOneURL(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"http://h.example", "http://h.example/", "HTTP://H.Example:80", "http://h.example:80/"},
		{"https://h.example/?a=b", "https://h.example?a=b", "https://H.example:443/?a=b"},
		{"https://h.example/Path", "https://H.EXAMPLE/Path"},
	} {
		w := newWorld(t)
		first, created, err := w.svc.Register(t.Context(), outgoing.Registration{URL: same[0], List: "l"})
		require.NoError(t, err)
		require.True(t, created)
		for _, url := range same {
			again, created, err := w.svc.Register(t.Context(), outgoing.Registration{URL: url, List: "l"})
			require.NoError(t, err)
			require.False(t, created, url)
			require.Equal(t, first.ID, again.ID, url)
		}
		require.Len(t, w.targets(), 1)
		was, err := w.svc.Unregister(t.Context(), outgoing.Registration{URL: same[len(same)-1], List: "l"})
		require.NoError(t, err)
		require.True(t, was)
		require.Empty(t, w.targets())
	}
}

// Paths and queries that differ are different targets.
func TestOtherURLsAreOtherTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	urls := []string{"https://h/", "https://h/a", "https://h/A", "https://h/a/", "https://h/a?b", "http://h/", "https://h:8443/"}
	for _, url := range urls {
		_, created, err := w.svc.Register(t.Context(), outgoing.Registration{URL: url, List: "l"})
		require.NoError(t, err)
		require.True(t, created, url)
	}
	require.Len(t, w.targets(), len(urls))
}

// An earlier release registered each spelling by itself. These targets are still found, by
// every spelling that they were registered with.
func TestSpellingsOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := func(url string) {
		sum := sha256.Sum256([]byte(url + "\x00l\x00"))
		id := hex.EncodeToString(sum[:12])
		body := fmt.Sprintf(`{"id":%q,"url":%q,"externalTaskListId":"l","format":"json","secret":"whsec_AAAAAAAAAAAAAAAAAAAAAA==","state":"active","next":1,"head":1}`, id, url)
		_, err := w.store.Commit(t.Context(), []store.Write{{Collection: store.Collection{Kind: "webhooks"}, Doc: store.Doc{ID: "l/" + id, Body: []byte(body)}}})
		require.NoError(t, err)
	}
	old("http://h.example")
	for _, url := range []string{"http://h.example", "http://h.example/"} {
		_, created, err := w.svc.Register(t.Context(), outgoing.Registration{URL: url, List: "l"})
		require.NoError(t, err)
		require.False(t, created, url)
	}
	old("http://h.example/")
	require.Len(t, w.targets(), 2)
	was, err := w.svc.Unregister(t.Context(), outgoing.Registration{URL: "http://h.example/", List: "l"})
	require.NoError(t, err)
	require.True(t, was)
	require.Empty(t, w.targets())
}
