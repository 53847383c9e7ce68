package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// keySet returns the public keys. It fetches them if they are old or lack the key. If
// that fails, an old set that has the key serves on. Only one caller fetches at a time,
// and a caller whose key is known never waits for another's fetch: a key server that
// hangs would otherwise stop every client from connecting.
func (v *Verifier) keySet(ctx context.Context, id string) (jose.JSONWebKeySet, error) {
	keys, known, final, err := v.cached(id)
	switch {
	case final:
		return keys, err
	case !known:
		v.fetching.Lock()
	case !v.fetching.TryLock():
		return keys, nil
	}
	defer v.fetching.Unlock()
	if keys, known, final, err = v.cached(id); final { // another caller fetched meanwhile
		return keys, err
	}
	fetched, err := v.fetchKeys(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failure = err; err == nil {
		v.keys, v.fetched = fetched, v.Now()
		return fetched, nil
	}
	if v.tried = v.Now(); known {
		return keys, nil
	}
	return keys, err
}

// cached returns the keys of the last fetch. known reports whether the key is among
// them. final reports whether the caller has to use keys and err without a new fetch,
// because the last one was too recent. A time that lies ahead, set by a clock that was
// wrong, does not count as recent.
func (v *Verifier) cached(id string) (keys jose.JSONWebKeySet, known, final bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.Now()
	over := func(since time.Time, d time.Duration) bool { return clock.Over(since.Add(d), now, d) }
	known = len(v.keys.Key(id)) > 0
	switch {
	case !over(v.fetched, keysFresh) && (known || !over(v.fetched, unknownAfter)):
		return v.keys, known, true, nil
	case v.failure == nil || over(v.tried, retryAfter):
		return v.keys, known, false, nil
	case known:
		return v.keys, known, true, nil
	}
	return v.keys, known, true, v.failure
}

// fetchKeys fetches the key set. It continues when ctx is cancelled: other callers wait
// for the same keys. Errors do not repeat the URL, which may hold credentials.
func (v *Verifier) fetchKeys(ctx context.Context) (keys jose.JSONWebKeySet, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.JWKSURL, nil)
	if err != nil {
		return keys, errors.New("the keys' URL cannot be called")
	}
	resp, err := v.HTTP.Do(req)
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
