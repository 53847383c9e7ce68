package cli

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/platform/shell"
)

// announce logs the services in words and the address, and prints the banner.
func (p *Process) announce(log *slog.Logger, s launch.Settings, cfg *config.Config, addr net.Addr) {
	for _, svc := range cfg.Services {
		endpoints := make([]string, len(svc.Endpoints))
		for i, e := range svc.Endpoints {
			endpoints[i] = gate.EndpointWords(e)
		}
		attrs := []any{"serviceName", svc.ServiceName, "trigger", svc.Trigger.Type}
		if period := svc.Trigger.Period(); period > 0 { // a tumbling window has none
			attrs = append(attrs, "observationPeriod", period.String())
		}
		if words := gate.Words(svc); words != "" {
			attrs = append(attrs, "window", words)
		}
		log.Info("service", append(attrs, "endpoints", endpoints, "keep", gate.KeepWords(svc.Trigger), "asyncEventTrigger", svc.AsyncEventTrigger, "topic", svc.Where())...)
	}
	log.Info("memory", "limitMiB", s.Memory>>20, "budgets", budget.Divide(s.Memory))
	log.Info("listening", "addr", addr.String(), "store", s.Store, "bus", s.Bus, "function", cmp.Or(s.Function, "all"), "version", p.shownVersion())
	tcp, ok := addr.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	if cfg.Auth == nil && !loopback && !s.Platform.Proxied() {
		log.Warn(`anybody who reaches this address may send events and trigger: configure "auth"`)
	}
}

// banner holds the facts that a person at a terminal needs about a process that serves.
type banner struct {
	base     string
	cfg      *config.Config
	function string // served alone; "" for all
	example  bool   // no configuration was given
	tasks    bool   // the example's task list is served, too
}

func printBanner(w io.Writer, b banner) {
	if b.example {
		fmt.Fprintln(w, "No configuration given: serving the example (see --config).")
	}
	for _, svc := range b.cfg.Services {
		prefix := b.base
		if len(b.cfg.Services) > 1 {
			prefix += "/services/" + gate.PathSegment(svc.ServiceName)
		}
		fmt.Fprintf(w, "\n%s\n", printable.Text(svc.ServiceName, ""))
		if words := gate.Words(svc); words != "" {
			fmt.Fprintf(w, "  window    %s\n", printable.Text(words, ""))
		}
		for _, e := range svc.Endpoints {
			fmt.Fprintf(w, "  event     %s/event/%s\n", prefix, escapeKey(e.EventKey))
		}
		for _, f := range svc.Feeds {
			fmt.Fprintf(w, "  feed      %s/feed/%s\n", prefix, f.Name)
		}
		fmt.Fprintf(w, "  status    %[1]s/status\n  messages  %[1]s/messages\n  trigger   %[1]s/trigger\n", prefix)
	}
	if b.function == "" || b.function == functions.Console {
		fmt.Fprintf(w, "\nConsole\n  %s/console\n", b.base)
	}
	if len(b.cfg.Services) == 0 {
		fmt.Fprintf(w, "\nNo gate: the configuration names no service. What is served\n  %s/openapi.json\n\n", b.base)
		return
	}
	curl := "curl"
	if b.cfg.Auth == nil {
		fmt.Fprintf(w, "\nTry it:\n")
	} else {
		fmt.Fprintf(w, "\nTry it, with TOKEN set to one that \"auth\" in the configuration lets send and read:\n")
		curl += ` -H "Authorization: Bearer $TOKEN"`
	}
	for _, e := range b.cfg.Services[0].Endpoints {
		body, decides := sample(b.cfg.Services[0], e)
		note := ""
		if decides != "" {
			body, note = "…", fmt.Sprintf("  # a body that %q in the configuration accepts", decides)
		}
		fmt.Fprintf(w, "  %s -d '%s' %s%s\n", curl, body, shell.Quote(b.base+"/event/"+escapeKey(e.EventKey)), note)
	}
	fmt.Fprintf(w, "  %s %s/messages\n", curl, b.base)
	if b.tasks {
		fmt.Fprintf(w, "\nTry a draft (console, Drafts): this changes the list at its source:\n")
		fmt.Fprintf(w, "  %s -d '%s' %s%s/set-tasks\n", curl, exampleChange, b.base, exampleSource)
	}
	fmt.Fprintln(w)
}

// baseOf returns the URL at which this machine reaches what listens at the address.
func baseOf(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

func escapeKey(key string) string { return (&url.URL{Path: key}).EscapedPath() }
