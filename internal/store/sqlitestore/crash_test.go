package sqlitestore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

const childFile = "SQLITESTORE_TEST_CHILD_FILE"

var crashEndpoint = store.Endpoint{Service: "crash", Key: "a"}

// childMain writes until the process is killed, if this process is a child of TestCrash. It
// prints each acknowledged write: "e <id> <time>" or "c <eventID> 0".
func childMain() {
	path := os.Getenv(childFile)
	if path == "" {
		return
	}
	if backup := os.Getenv(childRestore); backup != "" { // the child of TestAttackKillDuringRestore
		if _, err := Restore(context.Background(), path, backup, time.Now(), nil); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	err := childWrite(path)
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(1)
}

func childWrite(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	var out sync.Mutex
	say := func(lines ...string) {
		out.Lock()
		defer out.Unlock()
		_, _ = os.Stdout.WriteString(strings.Join(lines, "")) // in one write, so that only the kill can cut a line
	}
	failed := make(chan error)
	for range 8 {
		go func() {
			for {
				reqs := make([]store.Append, 5)
				lines := make([]string, len(reqs))
				for i := range reqs {
					now := time.Now().UTC().Truncate(time.Microsecond)
					reqs[i] = store.Append{
						Event:    event.Event{ID: event.RandomID(), Key: "a", ReceivedAt: now, Content: make([]byte, 300)},
						Endpoint: crashEndpoint, Attempt: event.RandomID(), ExpireAt: now.Add(time.Hour),
					}
					lines[i] = fmt.Sprintf("e %s %d\n", reqs[i].Event.ID, now.UnixMicro())
				}
				for _, r := range s.Append(ctx, reqs) {
					if r.Err != nil {
						failed <- r.Err
						return
					}
				}
				say(lines...)
			}
		}()
	}
	for range 2 {
		go func() {
			for {
				ps, err := s.Pending(ctx, crashEndpoint, time.Time{}, 3)
				if err != nil {
					failed <- err
					return
				}
				c := store.Claim{
					ClaimInfo: store.ClaimInfo{ID: event.RandomID(), Service: "crash", EventID: event.RandomID(), Owner: event.RandomID(), State: store.Claimed},
					Lists:     []event.List{{Key: "a", Included: ps}},
				}
				err = s.Claim(ctx, c, []store.Taken{{Endpoint: crashEndpoint, Pointers: ps}})
				if err == nil {
					say(fmt.Sprintf("c %s 0\n", c.EventID))
				} else if !errors.Is(err, store.ErrConflict) {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// After kill -9, all acknowledged writes are stored, and no commit is stored in part.
func TestCrash(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "store.db")
	events := map[string]event.Ref{}
	claims := map[string]bool{}
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), childFile+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		acked := 0
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // a line that the kill cut off acknowledges nothing
			}
			var kind, id string
			var at int64
			_, err = fmt.Sscan(line, &kind, &id, &at)
			require.NoError(t, err)
			if kind == "e" {
				events[id] = event.Ref{ID: id, ReceivedAt: instant(at)}
			} else {
				claims[id] = true
			}
			if acked++; acked == 300+round*137 {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())
		require.GreaterOrEqual(t, acked, 300)
		checkSurvivors(t, path, events, claims)
	}
}

func checkSurvivors(t *testing.T, path string, events map[string]event.Ref, claims map[string]bool) {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.NoError(t, runCheck(t.Context(), s.read, "PRAGMA integrity_check"))

	for id, ref := range events {
		_, err := s.Events(t.Context(), "crash", []store.Member{ref})
		require.NoError(t, err, "event %s was acknowledged", id)
	}
	for id := range claims {
		_, err := s.ClaimByEventID(t.Context(), "crash", id)
		require.NoError(t, err, "claim %s was acknowledged", id)
	}
	// Every stored event, acknowledged or not, either waits or is in one claim.
	seen := map[string]bool{}
	see := func(refs []event.Ref) {
		for _, r := range refs {
			require.False(t, seen[r.ID], "%s is there twice", r.ID)
			seen[r.ID] = true
		}
	}
	ps, err := s.Pending(t.Context(), crashEndpoint, time.Time{}, 0)
	require.NoError(t, err)
	see(ps)
	due, err := s.Due(t.Context(), "crash", time.Now(), time.Time{}, 1_000_000)
	require.NoError(t, err)
	for _, info := range due {
		c, err := s.ClaimByEventID(t.Context(), "crash", info.EventID)
		require.NoError(t, err)
		see(c.Lists[0].Included)
	}
	var stored int
	require.NoError(t, s.read.QueryRowContext(t.Context(), "SELECT count(*) FROM event").Scan(&stored))
	require.Len(t, seen, stored)
}
