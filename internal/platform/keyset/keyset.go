// Package keyset fetches the public keys of a signer (a JSON Web Key Set) and keeps them.
//
// Keys that are known keep working while their server does not answer. A key that is not
// known causes at most one fetch every 30 seconds, so a caller who makes up key ids cannot
// have the server flooded.
package keyset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
)

const (
	keysFresh    = time.Hour        // known keys are used for this long without a new fetch
	unknownAfter = 30 * time.Second // the least time between two fetches for keys that are unknown
	retryAfter   = 2 * time.Second  // the least time after a fetch that failed
	fetchTimeout = 10 * time.Second
	maxKeySet    = 1 << 20 // bytes
)

// Set is the key set at a URL. It must not be copied.
type Set struct {
	URL  string
	HTTP *http.Client
	Now  func() time.Time

	fetching sync.Mutex // held during a fetch; taken before mu
	mu       sync.Mutex
	keys     jose.JSONWebKeySet
	fetched  time.Time
	tried    time.Time // of the last fetch that failed
	failure  error     // of the last fetch
}

// Keys returns the public keys for a token that names this key id. It fetches them if they are old or lack the key. If
// that fails, an old set that has the key serves on. Only one caller fetches at a time,
// and a caller whose key is known never waits for another's fetch: a key server that
// hangs would otherwise stop every client from connecting.
func (s *Set) Keys(ctx context.Context, id string) (jose.JSONWebKeySet, error) {
	keys, known, final, err := s.cached(id)
	switch {
	case final:
		return keys, err
	case !known:
		s.fetching.Lock()
	case !s.fetching.TryLock():
		return keys, nil
	}
	defer s.fetching.Unlock()
	if keys, known, final, err = s.cached(id); final { // another caller fetched meanwhile
		return keys, err
	}
	fetched, err := s.fetchKeys(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure = err; err == nil {
		s.keys, s.fetched = fetched, s.Now()
		return fetched, nil
	}
	if s.tried = s.Now(); known {
		return keys, nil
	}
	return keys, err
}

// cached returns the keys of the last fetch. known reports whether the key is among
// them. final reports whether the caller has to use keys and err without a new fetch,
// because the last one was too recent. A time that lies ahead, set by a clock that was
// wrong, does not count as recent.
func (s *Set) cached(id string) (keys jose.JSONWebKeySet, known, final bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	over := func(since time.Time, d time.Duration) bool { return clock.Over(since.Add(d), now, d) }
	known = len(s.keys.Key(id)) > 0
	switch {
	case !over(s.fetched, keysFresh) && (known || !over(s.fetched, unknownAfter)):
		return s.keys, known, true, nil
	case s.failure == nil || over(s.tried, retryAfter):
		return s.keys, known, false, nil
	case known:
		return s.keys, known, true, nil
	}
	return s.keys, known, true, s.failure
}

// fetchKeys fetches the key set. It continues when ctx is cancelled: other callers wait
// for the same keys. Errors do not repeat the URL, which may hold credentials.
func (s *Set) fetchKeys(ctx context.Context) (keys jose.JSONWebKeySet, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return keys, errors.New("the keys' URL cannot be called")
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return keys, fmt.Errorf("the keys cannot be fetched: %w", fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("the keys cannot be fetched: the server answers %s", fault.Status(resp.StatusCode))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxKeySet)).Decode(&keys); err != nil {
		return keys, fmt.Errorf("the keys are no JSON Web Key Set: %w", err)
	}
	return keys, nil
}
