package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

const syncRunLong = `Run a sync and show how it gets on, until it has ended.

The operand is a FILE if it ends in .json, has a slash in it or names a file that is
there; its definition is stored first. Otherwise it is the ID of a stored sync.

If the same run is under way already, the command follows that one.

Exit status: 0 the run finished, 3 it finished and some rows were rejected, 1 it failed,
2 the command line is wrong.`

func newSyncRun(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "run {ID | FILE}", Short: "Run a sync that is stored, or that a file defines",
		Long: syncRunLong,
		Example: `  $ headgate sync run testdata/readings.json
  $ headgate sync run readings-2026 --validate
  $ headgate sync run wells --method pull --url https://gate.example.com`,
		Args: operand("ID or FILE"),
	}
	where := whereOf(p, cmd)
	asJSON := jsonFlag(cmd)
	validate := cmd.Flags().Bool("validate", false, "only show what the run would do")
	allowDeletes := cmd.Flags().Bool("allow-deletes", false, "delete however many records are gone at the source")
	method := cmd.Flags().String("method", "", "run with this `METHOD`: pull, push or both (default the sync's type)")
	where.completesIDs(cmd, "json")
	completes(cmd, "method", string(syncrun.DoPull), string(syncrun.DoPush), string(syncrun.DoBoth))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := deployment.Options{AllowDeletes: *allowDeletes}
		var ok bool
		if o.Method, ok = syncrun.ParseMethod(*method); !ok && *method != "" {
			return wrongUsage("--method must be pull, push or both, not %q", *method)
		} else if !ok {
			o.Method = ""
		}
		if *validate && *method != "" {
			return wrongUsage("--validate and --method exclude each other: a validation is a method of its own")
		}
		if *validate {
			o.Method = syncrun.Validate
		}
		out := newProgress(p.Stderr, *asJSON, p.Getenv)
		id, may := args[0], changes
		var text []byte
		if isFile(args[0]) {
			var err error
			if text, err = os.ReadFile(args[0]); err != nil {
				return err
			}
			may = makes
		}
		return where.with(cmd.Context(), may, out.say, func(d deployment.Deployment) error {
			if may == makes {
				def, err := checkedDefinition(cmd.Context(), d, args[0], text)
				if err != nil {
					return err
				}
				if _, err := d.Apply(cmd.Context(), def); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				id = def.ID
			}
			return p.runSync(cmd, d, id, o, out, *asJSON)
		})
	}
	return cmd
}

// runSync runs the sync, and prints what the run did.
func (p *Process) runSync(cmd *cobra.Command, d deployment.Deployment, id string, o deployment.Options, out *progress, asJSON bool) error {
	run, err := d.Run(cmd.Context(), id, o, deployment.Watch{Say: out.say, Show: out.show})
	out.done()
	if run == nil {
		return err
	}
	var printErr error
	if asJSON {
		printErr = printJSON(p.Stdout, run.Shown())
	} else {
		printErr = summarize(p.Stdout, run, p.typed(cmd, "sync", "rejects", id))
	}
	if err = errors.Join(err, printErr); err != nil {
		return err
	}
	switch run.State {
	case syncrun.Finished:
		return nil
	case syncrun.Partial:
		return errPartial
	default:
		return fmt.Errorf("the run %s: %s", run.State, strings.Join(run.Errors, "; "))
	}
}
