package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/shell"
)

// sourceTime bounds the look at a source. Other systems may be slow.
const sourceTime = 10 * time.Second

// sourceChecks returns a check for each sync, so that each has its own deadline, or one that
// says why the syncs are not known.
func (e *examination) sourceChecks(ctx context.Context) (checks []Check) {
	if e.Sources == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, perCheck)
	defer cancel()
	type answer struct {
		sources []Source
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		sources, err := e.Sources(ctx)
		answers <- answer{sources, err}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	if a.err != nil {
		return []Check{{Name: "the store", Code: "source", Do: func(_ context.Context, found func(Finding)) {
			found(notChecked("source.reachable", "the sources of syncs: the list of syncs could not be read"))
		}}}
	}
	for _, s := range a.sources {
		checks = append(checks, e.sourceCheck(s))
	}
	return append(checks, e.namedCheck(a.sources))
}

func (e *examination) sourceCheck(s Source) Check {
	return Check{Name: fmt.Sprintf("the source of sync %q", s.ID), Code: "source", Limit: sourceTime, Do: func(ctx context.Context, found func(Finding)) {
		failures := s.Reach(ctx)
		switch {
		case len(failures) == 0:
			found(ok("source.reachable", "the source of sync %q can be read", s.ID))
		default:
			found(Finding{"source.unreachable", Error, fmt.Sprintf("the source of sync %q cannot be read: %s", s.ID, inSentence(strings.Join(failures, "; "))),
				e.Place.Headgate("sync", "run", shell.Quote(s.ID), "--validate")})
		}
	}}
}

// namedCheck looks for syncs that the configuration names and that do not exist, and for those
// that it declared and that outlived that.
func (e *examination) namedCheck(sources []Source) Check {
	return Check{Name: "the configuration", Code: "sync", Do: func(_ context.Context, found func(Finding)) {
		known := make(map[string]bool)
		for _, s := range sources {
			known[s.ID] = true
			if s.Abandoned != "" {
				found(Finding{"sync.dropped", Warning, s.Abandoned, e.Place.Headgate("sync", "delete", shell.Quote(s.ID))})
			}
		}
		missing := func(id, what string) {
			if !known[id] {
				found(Finding{"sync.missing", Error, fmt.Sprintf("%s names the sync %q, which does not exist", what, id), e.Place.Headgate("sync", "list")})
			}
		}
		for _, svc := range e.Config.Services {
			for _, id := range svc.SyncsStarted() {
				missing(id, fmt.Sprintf("service %q", svc.ServiceName))
			}
		}
		for _, h := range e.Config.Hooks {
			if h.Sync != "" {
				missing(h.Sync, fmt.Sprintf("the hook %q", h.Name))
			}
		}
		for _, d := range e.Config.Drafts {
			if d.Sync != nil {
				missing(d.Sync.ID, fmt.Sprintf("the draft %q", d.Name))
			}
		}
	}}
}
