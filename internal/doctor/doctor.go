// Package doctor examines a deployment: whether it can do its work here, what is wrong, and
// the command that corrects it.
//
// Invariants:
//
//   - An examination changes nothing, except for a small document of its own that it writes
//     and deletes.
//   - Each check has a deadline of its own. One that hangs, even one that ignores its context,
//     delays no other, and the whole ends after Total.
//   - What cannot be checked here is "not checked", with the reason. It is never "ok".
//   - No finding shows a secret.
//
// On failure: a check that does not end in time becomes a finding itself, beside those that it
// had made until then.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
)

// Limits of an examination.
const (
	// Total bounds an examination. A check that has not begun by then is not made.
	Total = 20 * time.Second
	// perCheck bounds a check that names no limit of its own.
	perCheck = 5 * time.Second
	// atOnce is the largest number of checks at work at a time.
	atOnce = 24
)

// State says how bad a finding is.
type State string

// The states.
const (
	OK         State = "ok"
	Warning    State = "warning"    // it works, and somebody should look at it
	Error      State = "error"      // something does not work, or will be lost
	NotChecked State = "notChecked" // it could not be checked here, and may be either
)

// rank orders the states by what a person must see first.
func (s State) rank() int { return slices.Index([]State{Error, Warning, NotChecked, OK}, s) }

// Finding is the result of a check.
type Finding struct {
	Code  string `json:"code" description:"Stable: programs may go by it."`
	State State  `json:"state" enum:"ok,warning,error,notChecked" description:"notChecked: it could not be checked here, and text says why."`
	Text  string `json:"text" description:"One sentence."`
	Fix   string `json:"fix,omitempty" description:"The command that corrects it, or shows why it is so."`
}

// Report is the result of an examination.
type Report struct {
	State     State     `json:"state" enum:"ok,warning,error" description:"That of the worst finding."`
	CheckedAt time.Time `json:"checkedAt"`
	Seconds   float64   `json:"seconds" description:"How long it took."`
	Findings  []Finding `json:"findings" description:"The worst first."`
}

// Check is one thing to look at.
type Check struct {
	// Name says what did not answer, as "the store", if the check does not end in time.
	Name string
	// Code begins the codes of its findings.
	Code string
	// Limit bounds it; 0: perCheck.
	Limit time.Duration
	// Late is the state of a check that does not end in time; "": Error.
	Late State
	// LateFix is the command that shows why it does not end in time; "": there is none.
	LateFix string
	// Do looks, and reports what it finds. It may report several findings.
	Do func(ctx context.Context, found func(Finding))
}

// Run makes the checks, several at a time, and returns the report.
func Run(ctx context.Context, now func() time.Time, checks []Check) Report {
	began := now()
	ctx, cancel := context.WithTimeout(ctx, Total)
	defer cancel()
	results := make([][]Finding, len(checks))
	places := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() {
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
				results[i] = c.run(ctx)
			case <-ctx.Done():
				results[i] = []Finding{{c.Code + ".late", NotChecked, fmt.Sprintf("not checked: %s: the time was over before it was its turn", c.Name), ""}}
			}
		})
	}
	running.Wait()
	return newReport(began, now(), slices.Concat(results...))
}

func newReport(began, ended time.Time, all []Finding) Report {
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(a.State.rank(), b.State.rank()) })
	r := Report{State: OK, CheckedAt: began.UTC(), Seconds: ended.Sub(began).Round(time.Millisecond).Seconds(), Findings: []Finding{}}
	for _, f := range all {
		if f.State == Error || f.State == Warning && r.State == OK {
			r.State = f.State
		}
		r.Findings = append(r.Findings, f)
	}
	return r
}

// Failed returns the report of a deployment that could not even be opened.
func Failed(now time.Time, text, fix string) Report {
	return newReport(now, now, []Finding{{"start.failed", Error, text, fix}})
}

// run makes the check and returns its findings. It leaves the check behind if that does not
// end in time.
func (c Check) run(ctx context.Context) []Finding {
	limit := cmp.Or(c.Limit, perCheck)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var mu sync.Mutex
	var all []Finding
	found := func(f Finding) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil { // later findings would only tell that the check was cut off
			all = append(all, f)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { // a mistake in a check must not end a process that serves
			if broke := recover(); broke != nil {
				found(Finding{c.Code + ".broken", Error, fmt.Sprintf("the check of %s itself is broken: please report it", c.Name), ""})
			}
		}()
		c.Do(ctx, found)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	if ctx.Err() == nil {
		return all
	}
	late := Finding{c.Code + ".late", cmp.Or(c.Late, Error), fmt.Sprintf("%s did not answer within %s", c.Name, limit), c.LateFix}
	if late.State == NotChecked {
		late.Text = "not checked: " + late.Text
	}
	return append(slices.Clone(all), late)
}

// oneLine returns the text of an error as part of a sentence, without credentials.
func oneLine(err error) string { return inSentence(err.Error()) }

// inSentence returns what another system said as part of a sentence.
func inSentence(text string) string {
	return credential.RedactText(strings.Join(strings.Fields(text), " "))
}

// ok returns the finding that nothing is wrong.
func ok(code, format string, args ...any) Finding {
	return Finding{code, OK, fmt.Sprintf(format, args...), ""}
}

// notChecked returns the finding that something cannot be checked here.
func notChecked(code, format string, args ...any) Finding {
	return Finding{code, NotChecked, "not checked: " + fmt.Sprintf(format, args...), ""}
}
