package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/sync/definition"
)

func newSyncApply(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "apply FILE…", Short: "Store definitions without running them",
		Long: `Store definitions of syncs without running them: a new one is created, and one that
differs from what is stored replaces it. A definition without an "id" is named after its
file. If one of the files is not a definition, nothing is stored.`,
		Example: `  $ headgate sync apply syncs/*.json
  $ headgate sync apply readings.json --url https://gate.example.com`,
		Args: operand("FILE…"),
	}
	where := whereOf(p, cmd)
	asJSON := jsonFlag(cmd)
	completesFiles(cmd, "json")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		definitions := make([]*definition.Sync, len(files))
		var faults []error
		for i, file := range files {
			var err error
			if definitions[i], err = readDefinition(file); err != nil {
				faults = append(faults, err)
			}
		}
		if err := errors.Join(faults...); err != nil {
			return err
		}
		out := newProgress(p.Stderr, *asJSON)
		return where.with(cmd.Context(), makes, out.say, func(d deployment.Deployment) error {
			return p.apply(cmd, d, files, definitions, *asJSON)
		})
	}
	return cmd
}

// apply stores the definitions, and prints the outcome of each. A refused definition does
// not stop the others.
func (p *Process) apply(cmd *cobra.Command, d deployment.Deployment, files []string, definitions []*definition.Sync, asJSON bool) error {
	type result struct {
		ID     string             `json:"id"`
		Result deployment.Applied `json:"result"`
	}
	results := []result{}
	var refused []error
	for i, def := range definitions {
		applied, err := d.Apply(cmd.Context(), def)
		if err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", files[i], err))
			continue
		}
		results = append(results, result{def.ID, applied})
		if !asJSON {
			fmt.Fprintf(p.Stdout, "%s %s\n", def.ID, applied)
		}
	}
	if asJSON {
		refused = append(refused, printJSON(p.Stdout, results))
	}
	return errors.Join(refused...)
}
