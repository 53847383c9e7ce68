package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/cost"
	"github.com/headgate/headgate/internal/platform/printable"
)

// costOf has the costs of one service.
type costOf struct {
	ServiceName string      `json:"serviceName"`
	Lines       []cost.Line `json:"lines"`
	Dollars     float64     `json:"dollars"`
}

func newCost(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "cost", Short: "Show what a month on Google Cloud costs, and the arithmetic", GroupID: groupTools,
		Long: `Show what a month of each service costs on Firestore, Pub/Sub and Cloud Run. Each line is a
product: a quantity and a price. Nothing is called. The prices are list prices of us-central1
in US dollars, as docs/deploy.md states them: check the current price lists. Free quotas are
not deducted.`,
		Example: `  $ headgate cost --config gate.json --events 1e6
  $ headgate cost --config gate.json --events 5e7 --per-message 1000 --bytes 300 --multi-region`,
		Args: noOperands,
	}
	fs := cmd.Flags()
	file := fs.String("config", "", "compute for the configuration in this `FILE`")
	events := fs.Float64("events", 1e6, "`EVENTS` of each service in a month")
	perMessage := fs.Float64("per-message", 0, "`EVENTS` in a message (default what the endpoints need)")
	bytes := fs.Float64("bytes", 1024, "`BYTES` of an event's body")
	millis := fs.Float64("ms", 50, "`MILLISECONDS` that an instance works on an event")
	multi := fs.Bool("multi-region", false, "Firestore is in several regions")
	if err := fs.SetAnnotation("config", ofCommand, []string{}); err != nil {
		panic(err) // the command has no such flag
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		for name, value := range map[string]float64{"events": *events, "per-message": *perMessage, "bytes": *bytes, "ms": *millis} {
			if value < 0 || value > 1e15 || math.IsNaN(value) {
				return wrongUsage("--%s must be between 0 and 1e15", name)
			}
		}
		if *file == "" {
			return wrongUsage("--config is required")
		}
		text, err := os.ReadFile(*file)
		if err != nil {
			return err
		}
		cfg, err := config.Parse(text, p.settings.CheckSyncs)
		if err != nil {
			return fmt.Errorf("%s is not valid:\n%w", *file, err)
		}
		if len(cfg.Services) == 0 {
			return fmt.Errorf("%s has no service, so there is no gate whose cost could be told", *file)
		}
		var all []costOf
		for _, svc := range cfg.Services {
			load := cost.Load{Events: *events, PerMessage: *perMessage, Bytes: *bytes, Millis: *millis}
			if load.PerMessage == 0 {
				load.PerMessage = cost.Typical(svc)
			}
			lines := cost.Month(svc, load, *multi)
			all = append(all, costOf{svc.ServiceName, lines, cost.Sum(lines)})
		}
		if *asJSON {
			return printJSON(p.Stdout, all)
		}
		return printCosts(p.Stdout, all)
	}
	return cmd
}

// longNumber finds a whole number with more digits than a person counts.
var longNumber = regexp.MustCompile(`(^|[^.\d])(\d{5,})`)

// grouped writes the long numbers of a text in groups of three digits: 1,000,000.
func grouped(text string) string {
	return longNumber.ReplaceAllStringFunc(text, func(s string) string {
		digits := 0
		for i := len(s) - 1; i > 0 && s[i-1] >= '0' && s[i-1] <= '9'; i-- {
			if digits++; digits%3 == 0 {
				s = s[:i] + "," + s[i:]
			}
		}
		return s
	})
}

func printCosts(w io.Writer, all []costOf) error {
	var sum float64
	for _, c := range all {
		fmt.Fprintln(w, printable.Text(c.ServiceName, ""))
		var rows [][]string
		for _, l := range c.Lines {
			price := "$" + strconv.FormatFloat(l.Price, 'f', -1, 64) + " a " + l.Unit
			if l.Per != 1 {
				price = "$" + strconv.FormatFloat(l.Price, 'f', -1, 64) + " per " + grouped(strconv.FormatFloat(l.Per, 'f', -1, 64))
			}
			rows = append(rows, []string{"  " + l.Item, grouped(strconv.FormatFloat(math.Round(l.Quantity*100)/100, 'f', -1, 64)), l.Unit, "× " + price, fmt.Sprintf("= $%.2f", l.Dollars), grouped(l.Why)})
		}
		if err := printTable(w, []string{"  ITEM", "QUANTITY", "UNIT", "PRICE", "A MONTH", "WHY"}, rows); err != nil {
			return err
		}
		fmt.Fprintf(w, "  together about $%.2f a month\n\n", c.Dollars)
		sum += c.Dollars
	}
	_, err := fmt.Fprintf(w, "Together about $%.2f a month, by list prices and without free quotas.\n", sum)
	return err
}
