package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/printable"
)

func newConfigCheck(p *Process) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "List every fault of a configuration",
		Long: "List every fault of a configuration at once, each with its JSON path. For a valid one, it says what each service and hook does, and what a hook's expressions make of a sample of its sender.",
		Example: `  $ headgate config check gate.json
  $ headgate config check gate.json && headgate --config gate.json`,
		Args: operand("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			cfg, err := config.Parse(data, p.settings.CheckSyncs)
			if err != nil {
				return fmt.Errorf("%s is not valid:\n%w", args[0], err)
			}
			say := func(line string) { fmt.Fprintln(p.Stdout, printable.Text(line, "")) }
			if len(cfg.Services) == 0 {
				say("ok: no services, so no gate")
			}
			for _, s := range cfg.Services {
				say(fmt.Sprintf("ok: %q, %s, %s, to %s; %s", s.ServiceName, s.Trigger.Type, count(len(s.Endpoints), "endpoint"), s.Where(), gate.KeepWords(s.Trigger)))
				for _, e := range s.Endpoints {
					say("  " + gate.EndpointWords(e))
				}
				if words := gate.Words(s); words != "" {
					say("  window: " + words)
				}
			}
			if n := len(cfg.Syncs); n > 0 {
				say("ok: " + count(n, "declared sync"))
			}
			for _, h := range cfg.Hooks {
				showHook(p.Stdout, h)
			}
			for _, h := range cfg.Hooks {
				warnOfSignals(p.Stdout, cfg, h)
			}
			for _, unset := range cfg.Unset(p.Getenv) {
				say("warning: " + unset)
			}
			return warnOfLive(p.Stdout, cfg)
		},
	}
}

// warnOfLive prints which URLs of live may not be called. The machine counts as the
// operator's own, so that the configuration may be tried with services on it.
func warnOfLive(w io.Writer, cfg *config.Config) error {
	client, err := launch.LiveHTTP(hosting.Machine, cfg)
	if err != nil {
		return err
	}
	for _, warning := range app.UncallableLive(cfg, client) {
		fmt.Fprintln(w, printable.Text("warning: "+warning, ""))
	}
	return nil
}
