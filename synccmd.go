package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/obs"
	syncdef "github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// errPartial says that a run finished and some rows were rejected: exit status 3.
var errPartial = errors.New("some rows were rejected")

const syncUsage = "sync run FILE.json, sync list, sync runs ID, or sync rejects ID"

// syncCommand works with syncs on the store that the flags name.
func syncCommand(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: %s", errUsage, syncUsage)
	}
	what := args[0]
	s := launch.FromEnv(getenv)
	fs := flag.NewFlagSet("headgate sync "+what, flag.ContinueOnError)
	fs.SetOutput(stderr)
	s.StoreFlags(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	var validate, allowDeletes *bool
	var method *string
	if what == "run" {
		validate = fs.Bool("validate", false, "only say what the run would do")
		allowDeletes = fs.Bool("allow-deletes", false, "delete however much is gone")
		method = fs.String("method", "", "pull, push or both (default: the sync's type)")
	}
	operands, err := parseInterspersed(fs, args[1:])
	if err != nil {
		return err
	}
	want := 1
	if what == "list" {
		want = 0
	}
	if len(operands) != want {
		return fmt.Errorf("%w: %s", errUsage, syncUsage)
	}
	a, closeApp, err := openQuietly(ctx, s, getenv, stderr)
	if err != nil {
		return err
	}
	defer closeApp()
	switch what {
	case "run":
		o := syncrun.Start{Trigger: "command", AllowDeletes: *allowDeletes}
		var ok bool
		if o.Method, ok = syncrun.ParseMethod(*method); !ok && *method != "" {
			return fmt.Errorf("%w: -method must be pull, push or both, not %q", errUsage, *method)
		}
		if *validate {
			o.Method = syncrun.Validate
		}
		return runFile(ctx, a, operands[0], o, *asJSON, stdout, stderr)
	case "list":
		return listSyncs(ctx, a, *asJSON, stdout)
	case "runs":
		return listRuns(ctx, a, operands[0], *asJSON, stdout)
	case "rejects":
		return listRejects(ctx, a, operands[0], *asJSON, stdout)
	default:
		return fmt.Errorf("%w: no command sync %q: %s", errUsage, what, syncUsage)
	}
}

// parseInterspersed lets flags follow operands.
func parseInterspersed(fs *flag.FlagSet, args []string) (operands []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		if fs.NArg() == 0 {
			return operands, nil
		}
		operands, args = append(operands, fs.Arg(0)), fs.Args()[1:]
	}
}

// openQuietly opens the store without serving anything; it logs errors only.
func openQuietly(ctx context.Context, s launch.Settings, getenv func(string) string, stderr io.Writer) (*app.App, func(), error) {
	cfg, _, err := s.LoadConfig(getenv)
	if err != nil {
		return nil, nil, err
	}
	launch.TuneGC(getenv)
	s.FindProject(ctx, cfg)
	log := obs.NewLogger(stderr, false, slog.LevelError)
	a, err := launch.Open(ctx, s, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return a, func() {
		closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := a.Close(closing); err != nil {
			log.Error("not everything ended in time", "error", err)
		}
	}, nil
}

// runFile defines the file's sync, as it is there, and runs it.
func runFile(ctx context.Context, a *app.App, path string, o syncrun.Start, asJSON bool, stdout, stderr io.Writer) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	def, err := syncdef.Decode(body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, plain(err))
	}
	if def.ID == "" {
		def.ID = idOf(path)
	}
	if err := define(ctx, a, def); err != nil {
		return fmt.Errorf("%s: %w", path, plain(err))
	}
	out := newProgress(stderr, asJSON)
	run, err := a.Syncs().Start(ctx, def.ID, o)
	want := o.Method
	if want == "" {
		want = syncrun.Method(def.Type)
	}
	if busy, ok := errors.AsType[*syncrun.Busy](err); ok && busy.Run.Method == want { // not with one that was not asked for
		out.say("run %s is at work elsewhere, or its process died a moment ago: going on with it", busy.Run.ID)
		run, err = takeOver(ctx, a, busy.Run, out)
	} else if err == nil {
		run, err = a.Syncs().Wait(ctx, def.ID, run.ID, out.show)
	}
	if err != nil {
		return plain(err)
	}
	out.done()
	if asJSON {
		err = printJSON(stdout, run.Shown())
	} else {
		err = summarize(stdout, run)
	}
	switch {
	case err != nil:
		return err
	case run.State == syncrun.Finished:
		return nil
	case run.State == syncrun.Partial:
		return errPartial
	case !run.State.Ended():
		return fmt.Errorf("stopped: run it again to go on with run %s", run.ID)
	default:
		return fmt.Errorf("the run %s: %s", run.State, strings.Join(run.Errors, "; "))
	}
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9._~-]+`)

// idOf makes an id of the file's name.
func idOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name = strings.Trim(notInID.ReplaceAllString(name, "-"), "-._~")
	if name == "" {
		return "sync"
	}
	return name[:min(len(name), 128)]
}

// define creates the sync, or changes it if the file did.
func define(ctx context.Context, a *app.App, def *syncdef.Sync) error {
	old, err := a.Definitions().Get(ctx, def.ID)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		_, err = a.Definitions().Create(ctx, def)
		return err
	case err != nil:
		return err
	}
	now, err := json.Marshal(def)
	if err != nil {
		return err
	}
	before, err := json.Marshal(old.Sync)
	if err != nil || string(now) == string(before) {
		return err
	}
	_, err = a.Definitions().Update(ctx, def.ID, def, "")
	return err
}

// takeOver works on a run that another process began, as soon as it may.
func takeOver(ctx context.Context, a *app.App, run *syncrun.Run, out *progress) (*syncrun.Run, error) {
	for {
		if err := a.Syncs().Work(ctx, run.SyncID, run.ID); err != nil {
			return nil, err
		}
		now, err := a.Syncs().Run(context.WithoutCancel(ctx), run.SyncID, run.ID)
		if err != nil || now.State.Ended() || ctx.Err() != nil {
			return now, err
		}
		out.show(now)
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// plain is the error as a person should see it.
func plain(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return errors.New(f.Message)
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// summarize prints what a run did as a table.
func summarize(w io.Writer, run *syncrun.Run) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "phase\ttype\tread\tcreated\tupdated\tdeleted\tunchanged\trejected\tconflicts\t")
	for _, s := range run.Results {
		c := s.Counts
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			s.Phase, s.Datatype, c.Read, c.Created, c.Updated, c.Deleted, c.Unchanged, c.Rejected, c.Conflicts)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range run.Plan {
		fmt.Fprintf(w, "  would %s\n", planLine(c))
	}
	for _, m := range run.Warnings {
		fmt.Fprintln(w, "warning:", m)
	}
	if run.Counts.Rejected > 0 {
		fmt.Fprintf(w, "%d rejected: headgate sync rejects %s\n", run.Counts.Rejected, run.SyncID)
	}
	_, err := fmt.Fprintf(w, "%s %s in %s\n", run.ID, run.State, run.UpdatedAt.Sub(run.StartedAt).Round(time.Millisecond))
	return err
}

func planLine(c syncrun.PlannedChange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", c.Action, c.Datatype, c.ID)
	if c.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", c.Line)
	}
	for _, f := range c.Fields {
		fmt.Fprintf(&b, " %s", f.Field)
		if f.Old != nil || f.New != nil {
			fmt.Fprintf(&b, ": %s → %s", short(f.Old), short(f.New))
		}
	}
	if c.Reason != "" {
		fmt.Fprintf(&b, ": %s", c.Reason)
	}
	return b.String()
}

func short(v any) string {
	if v == nil {
		return "nothing"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 60 {
		return string(b[:57]) + "…"
	}
	return string(b)
}

func listSyncs(ctx context.Context, a *app.App, asJSON bool, w io.Writer) error {
	list, err := a.Definitions().List(ctx, "")
	if err != nil {
		return plain(err)
	}
	if asJSON {
		shown := make([]syncdef.Sync, len(list))
		for i, d := range list {
			shown[i] = d.Sync.Redact()
		}
		return printJSON(w, shown)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\torganisation\ttype\tdata source\tfrequency")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", d.Sync.ID, d.Sync.OrgID, d.Sync.Type, d.Sync.Datasource.Type, d.Sync.Frequency)
	}
	return t.Flush()
}

func listRuns(ctx context.Context, a *app.App, id string, asJSON bool, w io.Writer) error {
	runs, err := a.Syncs().Runs(ctx, id, 50)
	if err != nil {
		return plain(err)
	}
	if asJSON {
		for i, run := range runs {
			runs[i] = run.Shown()
		}
		return printJSON(w, runs)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "run\tstarted\tmethod\tstate\tread\tcreated\tupdated\tdeleted\trejected\terror")
	for _, r := range runs {
		c := r.Counts
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", r.ID, r.StartedAt.Format(time.RFC3339), r.Method, r.State,
			c.Read, c.Created, c.Updated, c.Deleted, c.Rejected, strings.Join(r.Errors, "; "))
	}
	return t.Flush()
}

func listRejects(ctx context.Context, a *app.App, id string, asJSON bool, w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(t, "phase\ttype\tline\tkey\tfield\treason\ttimes")
	}
	all := []*syncrun.Rejected{}
	for after := ""; ; {
		list, next, err := a.Syncs().Rejects(ctx, id, after, 500)
		if err != nil {
			return plain(err)
		}
		all = append(all, list...)
		if after = next; next == "" {
			break
		}
	}
	if asJSON {
		return printJSON(w, all)
	}
	for _, r := range all {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%d\n", r.Phase, r.Datatype, r.Line, r.Key, r.Field, r.Reason, r.Count)
	}
	return t.Flush()
}
