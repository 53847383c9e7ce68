package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/sync/definition"
)

func newSyncApply(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "apply FILE…", Short: "Store definitions without running them",
		Long: `Store definitions of syncs without running them: a new one is created, and one that
differs from what is stored replaces it. A definition without an "id" is named after its
file. The command shows each field that changes; with --plan it only shows them. If one of
the files has a fault, all faults of all files are listed and nothing is stored.`,
		Example: `  $ headgate sync apply syncs/*.json --plan
  $ headgate sync apply syncs/*.json
  $ headgate sync apply readings.json --url https://gate.example.com`,
		Args: operand("FILE…"),
	}
	where := whereOf(p, cmd)
	asJSON := jsonFlag(cmd)
	onlyPlan := cmd.Flags().Bool("plan", false, "only show what would change, and store nothing")
	completesFiles(cmd, "json")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		texts := make([][]byte, len(files))
		for i, file := range files {
			var err error
			if texts[i], err = os.ReadFile(file); err != nil {
				return err
			}
		}
		out := newProgress(p.Stderr, *asJSON, p.Getenv)
		return where.with(cmd.Context(), makes, out.say, func(d deployment.Deployment) error {
			plans, definitions, err := planned(cmd, d, files, texts)
			if err != nil {
				return err
			}
			return p.apply(cmd, d, plans, definitions, *onlyPlan, *asJSON)
		})
	}
	return cmd
}

// planned returns the definitions in the files, and what would become of each. The error
// is about all files that have a fault, or that the deployment would refuse.
func planned(cmd *cobra.Command, d deployment.Deployment, files []string, texts [][]byte) ([]*deployment.Plan, []*definition.Sync, error) {
	plans, definitions := make([]*deployment.Plan, len(files)), make([]*definition.Sync, len(files))
	first := make(map[string]string) // the file that has an id
	var wrong []error
	for i, file := range files {
		def, err := checkedDefinition(cmd.Context(), d, file, texts[i])
		if err == nil && first[def.ID] != "" {
			err = fmt.Errorf("%s: the id %q is that of %s, too", file, def.ID, first[def.ID])
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		first[def.ID] = file
		if plans[i], err = d.Plan(cmd.Context(), def); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", file, err))
		}
		definitions[i] = def
	}
	return plans, definitions, errors.Join(wrong...)
}

// apply stores the definitions unless only the plan is asked for, and prints the plan of
// each that was stored. One that cannot be stored does not stop the others.
func (p *Process) apply(cmd *cobra.Command, d deployment.Deployment, plans []*deployment.Plan, definitions []*definition.Sync, onlyPlan, asJSON bool) error {
	var failed []error
	done := []*deployment.Plan{}
	for i, plan := range plans {
		if !onlyPlan {
			var err error
			if plan.Result, err = d.Apply(cmd.Context(), definitions[i]); err != nil {
				failed = append(failed, fmt.Errorf("sync %q: %w", plan.ID, err))
				continue
			}
		}
		if done = append(done, plan); !asJSON {
			showPlan(p.Stdout, plan, onlyPlan)
		}
	}
	if asJSON {
		failed = append(failed, printJSON(p.Stdout, done))
	}
	return errors.Join(failed...)
}

// showPlan prints what happened to a definition, or what would happen, field by field.
func showPlan(w io.Writer, plan *deployment.Plan, would bool) {
	words := string(plan.Result)
	if would && plan.Result != deployment.Unchanged {
		words = "would be " + words
	}
	fmt.Fprintf(w, "%s %s\n", printable.Text(plan.ID, ""), words)
	for _, c := range plan.Changes {
		was, is := short(c.Old), short(c.New)
		if was == is {
			is = "another value, which is not shown"
		}
		fmt.Fprintf(w, "  %s\n", printable.Text(fmt.Sprintf("%s: %s → %s", c.Field, was, is), ""))
	}
	if plan.Note != "" {
		fmt.Fprintln(w, "  "+printable.Text(plan.Note, ""))
	}
}
