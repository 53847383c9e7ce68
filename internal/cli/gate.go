package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/platform/shell"
)

// gateLong ends the help of the commands that work on a gate.
const gateLong = `

It works on the deployment at --url, or on the server that has the store in --data open. It
never opens the store itself.`

// completionTimeout bounds what the shell waits for a server.
const completionTimeout = 2 * time.Second

// gateway is the gate that a command works on. It is always behind a server: a second
// process could not tell the server's viewers what it changed.
type gateway struct {
	*where
	function string // that serves the command's requests
	service  string
	output   string
	query    url.Values
}

// readerOf makes cmd one that reads a gate, and declares its flags. It works on the store
// itself if no server has that open.
func readerOf(p *Process, cmd *cobra.Command) *gateway {
	g := &gateway{function: functions.Status, query: url.Values{}}
	cmd.GroupID = groupGate
	g.where = whereOf(p, cmd)
	cmd.Flags().StringVar(&g.service, "service", "", "work on the service of this `NAME` (default the first)")
	return g
}

// gatewayOf makes cmd one that works on a gate, and declares its flags.
func gatewayOf(p *Process, cmd *cobra.Command, function string) *gateway {
	g := &gateway{where: &where{p: p, cmd: cmd, settings: p.settings}, function: function, query: url.Values{}}
	fs := cmd.Flags()
	fs.StringVar(&g.url, "url", "", "work on the deployment at this `URL` (else $"+envURL+")")
	fs.StringVar(&g.token, "token", "", "show this `TOKEN` to the deployment (better $"+envToken+": others can read a command line)")
	fs.StringVar(&g.settings.Data, "data", g.settings.Data, "work on the server that has the store in this `DIRECTORY` open")
	fs.StringVar(&g.service, "service", "", "work on the service of this `NAME` (default the first; trigger and reset need it if there are several)")
	fs.StringVarP(&g.output, "output", "o", "table", "print in this `FORM`: table, or json for the server's whole answer")
	completes(cmd, "output", "table", "json")
	cmd.GroupID = groupGate
	cmd.Long += gateLong
	return g
}

// keyFlag declares --key.
func (g *gateway) keyFlag(text string) { g.cmd.Flags().String("key", "", text) }

// pick puts the flags that were given into the query, each under its parameter's name.
func (g *gateway) pick(parameters map[string]string) error {
	for flag, parameter := range parameters {
		f := g.cmd.Flags().Lookup(flag)
		if !f.Changed {
			continue
		}
		// A variable of a script that is not set must not widen what a command does.
		if f.Value.String() == "" {
			return wrongUsage("--%s is empty", flag)
		}
		g.query.Set(parameter, f.Value.String())
	}
	return nil
}

// check returns an error if a flag of all these commands is wrong.
func (g *gateway) check() error {
	if g.output != "table" && g.output != "json" {
		return wrongUsage("--output must be table or json, not %q", g.output)
	}
	if g.cmd.Flags().Changed("service") && g.service == "" {
		return wrongUsage("--service is empty")
	}
	return nil
}

// open returns a client of the server.
func (g *gateway) open() (*deployment.Client, error) {
	c, err := g.named()
	if c != nil || err != nil {
		return c, err
	}
	if g.settings.Store != launch.SQLite {
		return nil, fmt.Errorf("no deployment is named: give --url, or set %s", envURL)
	}
	who, address := g.settings.Server(g.function)
	switch {
	case who == "":
		return nil, fmt.Errorf("no server has the store in %s open: start one with `%s serve --data %s`, or give --url",
			g.settings.Data, g.p.Program, shell.Quote(g.settings.Data))
	case address == "":
		return nil, fmt.Errorf("%s has the store in %s open, but does not serve %s: start it without --function, or give --url",
			who, g.settings.Data, g.function)
	}
	return g.client(address)
}

// path returns the path of the service, with the query.
func (g *gateway) path(path string) string {
	if g.service != "" {
		path = "/services/" + gate.PathSegment(g.service) + path
	}
	if len(g.query) > 0 {
		path += "?" + g.query.Encode()
	}
	return path
}

// call sends a request without a body and prints the answer.
func (g *gateway) call(method, path string, table func(io.Writer, json.RawMessage) error) error {
	return g.send(method, path, nil, nil, table)
}

// send sends a request and prints the answer: whole, or as table prints it.
func (g *gateway) send(method, path string, header http.Header, body []byte, table func(io.Writer, json.RawMessage) error) error {
	if err := g.check(); err != nil {
		return err
	}
	c, err := g.open()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Send(g.cmd.Context(), method, g.path(path), header, body)
	if err != nil {
		return err
	}
	if g.output == "json" {
		var b bytes.Buffer
		if err := json.Indent(&b, answer, "", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintln(g.p.Stdout, strings.TrimSpace(printable.JSON(b.String())))
		return err
	}
	return table(g.p.Stdout, answer)
}

// tableOf returns a function that decodes an answer and prints it.
func tableOf[T any](show func(w io.Writer, answer *T) error) func(io.Writer, json.RawMessage) error {
	return func(w io.Writer, raw json.RawMessage) error {
		out := new(T)
		if err := json.Unmarshal(raw, out); err != nil {
			return fmt.Errorf("the server does not answer like Headgate: %w", err)
		}
		return show(w, out)
	}
}

// offer asks the server for what the shell offers. A failure offers nothing: the shell has
// no place for an error.
func offer[T any](g *gateway, path string, values func(*T) []string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	parent := g.cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completionTimeout)
	defer cancel()
	one := *g
	one.function = functions.Status
	c, err := one.open()
	if err != nil {
		return nil, directive
	}
	defer c.Close()
	out := new(T)
	if err := c.Do(ctx, http.MethodGet, g.path(path), nil, out); err != nil {
		return nil, directive
	}
	// A shell could not type a name that has control characters, and would obey them.
	return slices.DeleteFunc(values(out), func(v string) bool { return printable.Text(v, "\t") != v }), directive
}

// endpoints offers the names of the endpoints: those that the server has, or those of the
// configuration.
func (g *gateway) endpoints() ([]string, cobra.ShellCompDirective) {
	names, directive := offer(g, "/status", func(s *statusAnswer) (names []string) {
		for _, e := range s.Endpoints {
			names = append(names, e.EventKey+"\t"+e.of())
		}
		return names
	})
	if address, err := g.address(); len(names) > 0 || err != nil || address != "" {
		return names, directive
	}
	cfg, example, err := g.settings.LoadConfig(g.p.Getenv)
	if err != nil || example {
		return nil, directive
	}
	for i, svc := range cfg.Services {
		if g.service != svc.ServiceName && (g.service != "" || i > 0) {
			continue
		}
		for _, e := range svc.Endpoints {
			if printable.Text(e.EventKey, "") == e.EventKey {
				names = append(names, e.EventKey)
			}
		}
	}
	return names, directive
}

// endpointFlag declares --endpoint.
func (g *gateway) endpointFlag(text string) {
	g.cmd.Flags().String("endpoint", "", text)
	err := g.cmd.RegisterFlagCompletionFunc("endpoint", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return g.endpoints()
	})
	if err != nil {
		panic(err) // the command has no such flag
	}
}

// shortfall is an endpoint with the events that it has and needs.
type shortfall struct {
	EventKey   string
	Have, Need int
}

func (s shortfall) of() string { return strconv.Itoa(s.Have) + " of " + strconv.Itoa(s.Need) }

// inWords lists endpoints: "payment 0 of 1, shipment 1 of 2".
func inWords(list []shortfall) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = s.EventKey + " " + s.of()
	}
	return strings.Join(words, ", ")
}
