package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/sync/definition"
)

func newSync(p *Process) *cobra.Command {
	return group(&cobra.Command{
		Use: "sync COMMAND", Short: "Define, run and inspect syncs", GroupID: groupSync,
		Long: `Define, run and inspect syncs. A sync keeps records in step with one system outside: it
pulls rows in, pushes records out, or both.`,
		Example: `  $ headgate sync run testdata/readings.json
  $ headgate sync rejects readings-2026
  $ headgate sync list --url https://gate.example.com`,
	}, "command",
		newSyncApply(p), newSyncRun(p), newSyncList(p), newSyncRuns(p), newSyncRejects(p), newSyncRelink(p), newSyncDelete(p))
}

// lists makes cmd print a list of the deployment: as a table, one row for each item, or
// as JSON.
func lists[T any](p *Process, cmd *cobra.Command,
	get func(ctx context.Context, d deployment.Deployment, args []string) ([]T, error), columns []string, row func(T) []any,
) *cobra.Command {
	where := whereOf(p, cmd)
	if strings.HasSuffix(cmd.Use, " ID") {
		where.completesIDs(cmd)
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := newProgress(p.Stderr, *asJSON, p.Getenv)
		return where.with(cmd.Context(), reads, out.say, func(d deployment.Deployment) error {
			list, err := get(cmd.Context(), d, args)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(p.Stdout, list)
			}
			t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, strings.Join(columns, "\t"))
			for _, item := range list {
				cells := row(item)
				for i, c := range cells { // rows of a source are nobody's
					cells[i] = printable.Text(fmt.Sprint(c), "")
				}
				fmt.Fprintf(t, strings.Repeat("%v\t", len(cells)-1)+"%v\n", cells...)
			}
			return t.Flush()
		})
	}
	return cmd
}

func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON, for programs")
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = io.WriteString(w, printable.JSON(string(text))+"\n")
	}
	return err
}

// checkedDefinition reads the definition in a file's text. The deployment checks it: the
// error lists every fault. A definition without an id gets one of the file's name, so that
// the same file is the same sync each time.
func checkedDefinition(ctx context.Context, d deployment.Deployment, file string, text []byte) (*definition.Sync, error) {
	if err := d.Check(ctx, text); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	def, err := definition.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, deployment.Plain(err))
	}
	if def.ID == "" {
		def.ID = idOf(file)
	}
	return def, nil
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9._~-]+`)

// idOf makes an id of the file's name.
func idOf(path string) string {
	id := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	id = strings.Trim(notInID.ReplaceAllString(id, "-"), "-._~")
	if id == "" {
		return "sync"
	}
	return id[:min(len(id), 128)]
}

// isFile reports whether the operand of "sync run" is a file rather than an id.
func isFile(operand string) bool {
	if strings.ContainsAny(operand, `/\`) || strings.HasSuffix(operand, ".json") {
		return true
	}
	info, err := os.Stat(operand)
	return err == nil && info.Mode().IsRegular()
}
