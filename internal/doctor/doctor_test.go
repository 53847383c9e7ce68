package doctor

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// says returns a check that finds one thing at once.
func says(f Finding) Check {
	return Check{Name: "x", Code: "x", Do: func(_ context.Context, found func(Finding)) { found(f) }}
}

// A check that hangs, with or without regard to its context, delays no other, keeps what it had
// found, and is reported itself.
func TestHangingCheckDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		began := time.Now()
		r := Run(t.Context(), time.Now, []Check{
			{Name: "the store", Code: "store", Do: func(ctx context.Context, found func(Finding)) {
				found(ok("store.first", "this was quick"))
				<-ctx.Done()
				found(ok("store.second", "too late"))
			}},
			{Name: "the bus", Code: "topic", Do: func(context.Context, func(Finding)) { <-forever }},
			{Name: "the administration", Code: "roles", Late: NotChecked, Limit: time.Second, Do: func(context.Context, func(Finding)) { <-forever }},
			says(ok("other.fine", "this is fine")),
			{Name: "nothing", Code: "mistake", Do: func(context.Context, func(Finding)) { panic("c4n4ry") }},
		})
		require.Equal(t, perCheck, time.Since(began))
		require.Equal(t, Error, r.State)
		require.Equal(t, perCheck.Seconds(), r.Seconds)
		states := make(map[string]Finding)
		for _, f := range r.Findings {
			states[f.Code] = f
		}
		require.Equal(t, "the check of nothing itself is broken: please report it", states["mistake.broken"].Text)
		require.Len(t, states, 6, "%v", r.Findings)
		require.Equal(t, Finding{"store.late", Error, "the store did not answer within 5s", ""}, states["store.late"])
		require.Equal(t, Error, states["topic.late"].State)
		require.Equal(t, Finding{"roles.late", NotChecked, "not checked: the administration did not answer within 1s", ""}, states["roles.late"])
		require.Equal(t, OK, states["other.fine"].State)
		require.Equal(t, OK, states["store.first"].State)
	})
}

// The whole has a bound, however many checks hang, and those whose turn did not come are not
// "ok".
func TestTotalIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		var checks []Check
		for i := range 10 * atOnce {
			checks = append(checks, Check{Name: fmt.Sprintf("source %d", i), Code: "source", Limit: 9 * time.Second, Do: func(context.Context, func(Finding)) { <-forever }})
		}
		began := time.Now()
		r := Run(t.Context(), time.Now, checks)
		require.Equal(t, Total, time.Since(began))
		require.Len(t, r.Findings, len(checks))
		unmade := 0
		for _, f := range r.Findings {
			require.NotEqual(t, OK, f.State)
			if f.State == NotChecked {
				require.Contains(t, f.Text, "before it was its turn")
				unmade++
			}
		}
		require.Equal(t, len(checks)-3*atOnce, unmade)
	})
}

// The report's state is that of the worst finding, and what cannot be checked is no error.
func TestReportHasTheWorstFirst(t *testing.T) {
	t.Parallel()
	for want, states := range map[State][]State{
		OK: {OK, NotChecked}, Warning: {NotChecked, OK, Warning}, Error: {OK, Warning, NotChecked, Error, OK},
	} {
		var checks []Check
		for _, s := range states {
			checks = append(checks, says(Finding{State: s}))
		}
		r := Run(t.Context(), time.Now, checks)
		require.Equal(t, want, r.State)
		for i := 1; i < len(r.Findings); i++ {
			require.LessOrEqual(t, r.Findings[i-1].State.rank(), r.Findings[i].State.rank())
		}
	}
	r := Failed(time.Now(), "it cannot be opened", "do this")
	require.Equal(t, Error, r.State)
	require.Equal(t, "do this", r.Findings[0].Fix)
}

func TestUnasked(t *testing.T) {
	t.Parallel()
	require.Equal(t, Finding{"c", NotChecked, "not checked: roles: not on an emulator", ""}, unasked("c", "roles", fmt.Errorf("x: %w", ErrEmulator)))
	require.Equal(t, "gcloud services enable a.googleapis.com --project=p", unasked("c", "roles", &Disabled{"a.googleapis.com", "p"}).Fix)
	require.Equal(t, "not checked: roles: it broke", unasked("c", "roles", errors.New("it\nbroke")).Text)
}
