package sqlsource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// drivers are the dialects that we know.
var drivers = struct{ postgres, mysql, sqlite string }{"postgres", "mysql", "sqlite"}

// schemes are those of a URL, and their drivers.
var schemes = map[string]string{
	"postgres": drivers.postgres, "postgresql": drivers.postgres, "mysql": drivers.mysql, "mariadb": drivers.mysql, "sqlite": drivers.sqlite,
}

// The values of options.tls.
const (
	tlsVerify  = "verify"  // the default beyond loopback
	tlsRequire = "require" // encrypted; the server may be anyone
	tlsDisable = "disable" // the default on loopback
)

// sslModes are PostgreSQL's and MySQL's own words, in the URL.
var sslModes = map[string]map[string]string{
	drivers.postgres: {"disable": tlsDisable, "require": tlsRequire, "verify-ca": tlsVerify, "verify-full": tlsVerify},
	drivers.mysql:    {"false": tlsDisable, "skip-verify": tlsRequire, "true": tlsVerify},
}

// options are those of a definition, and below them what they and its URL say together.
type options struct {
	Driver        string                     `json:"driver" enum:"postgres postgresql mysql mariadb sqlite"`
	Password      string                     `json:"password" decode:"secret"`
	Tables        map[string]json.RawMessage `json:"tables"` // of a datatype: a name, or a location
	Schema        string                     `json:"schema"`
	TLS           string                     `json:"tls" enum:"verify require disable"`
	CA            string                     `json:"ca" decode:"secret"`
	Batch         int                        `json:"batch" range:"0..1000000 rows"` // 0 leaves it to the source
	GeneratesKeys bool                       `json:"generatesKeys"`
	AttemptColumn string                     `json:"attemptColumn"`

	dialect           string
	host              string
	port              string
	user              string
	effectivePassword string
	wait              patience
	database          string // or the file
	locations         map[string]location
}

// location is the place of a datatype's rows.
type location struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Query  string `json:"query"`
}

// check returns every fault of a definition.
func check(d source.Datasource) []fault.Detail {
	_, faults := parse(d)
	return faults
}

func parse(d source.Datasource) (options, []fault.Detail) {
	var o options
	var faults decode.Faults
	d.DecodeOptions(&faults, &o)
	o.effectivePassword, o.wait = o.Password, usualPatience()
	for i, e := range d.ExtraFields {
		faults.Add(decode.Index("extraFields", i), "%q is not used by a sql source", e.Name)
	}
	o.parseURL(d.URL, &faults)
	o.parseTables(&faults)
	for path, set := range map[string]bool{"fileUrl": d.FileURL != "", "fileFormat": d.FileFormat != "", "auth": d.Auth != ""} {
		if set {
			faults.Add(path, "not used by a sql source")
		}
	}
	switch {
	case o.GeneratesKeys && o.AttemptColumn == "":
		faults.Add("options.attemptColumn", "needed with generatesKeys: a column with a unique index, which keeps a record that is sent twice from becoming two rows")
	case !o.GeneratesKeys && o.AttemptColumn != "":
		faults.Add("options.attemptColumn", "is for generatesKeys")
	}
	if o.CA != "" && !strings.Contains(o.CA, ":") && !strings.Contains(o.CA, "BEGIN CERTIFICATE") {
		faults.Add("options.ca", "must be certificates in PEM, or a secret that has them")
	}
	if o.CA != "" && (o.TLS == tlsRequire || o.TLS == tlsDisable) {
		faults.Add("options.ca", "nothing is checked against it with tls %s: use %s", o.TLS, tlsVerify)
	}
	list := faults.Details()
	slices.SortStableFunc(list, func(a, b fault.Detail) int { return strings.Compare(a.Path, b.Path) })
	return o, list
}

// parseURL never repeats the URL in a message: it may have a password in it.
func (o *options) parseURL(raw string, faults *decode.Faults) {
	if raw == "" {
		faults.Add("url", "needed: postgres://user@host/database, mysql://user@host/database or sqlite:path")
		return
	}
	scheme, rest, _ := strings.Cut(raw, ":")
	o.dialect = schemes[scheme]
	if o.dialect == "" {
		faults.Add("url", "must begin with postgres:, mysql: or sqlite:")
		return
	}
	if named := schemes[o.Driver]; named != "" && named != o.dialect {
		faults.Add("options.driver", "is %s, but the URL is for %s", o.Driver, o.dialect)
	}
	if o.dialect == drivers.sqlite {
		o.database = strings.TrimPrefix(rest, "//")
		switch {
		case o.database == "" || strings.HasPrefix(o.database, ":"):
			faults.Add("url", "must name a file: a database in memory is gone when the run ends")
		case strings.ContainsAny(o.database, "?#\x00"):
			faults.Add("url", "must be the name of a file, without parameters")
		}
		if o.Schema != "" {
			faults.Add("options.schema", "SQLite has none")
		}
		return
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		faults.Add("url", "cannot be read as %s://user@host/database", o.dialect)
		return
	}
	o.host, o.port, o.user = u.Hostname(), u.Port(), u.User.Username()
	o.database = strings.TrimPrefix(u.Path, "/")
	if o.host == "" || strings.ContainsAny(o.host, ",/") {
		faults.Add("url", "must name one host")
	}
	if p, ok := u.User.Password(); ok {
		if o.effectivePassword != "" {
			faults.Add("options.password", "is in the URL already")
		}
		o.effectivePassword = p
	}
	if o.database == "" && o.dialect == drivers.postgres {
		faults.Add("url", "must name a database")
	}
	o.parseParameters(u.Query(), faults)
}

// parseParameters takes the one parameter that makes sense here. Others name
// files of this machine, or change what the source relies on.
func (o *options) parseParameters(q url.Values, faults *decode.Faults) {
	name := map[string]string{drivers.postgres: "sslmode", drivers.mysql: "tls"}[o.dialect]
	for _, p := range slices.Sorted(maps.Keys(q)) {
		mode := sslModes[o.dialect][q.Get(p)]
		switch {
		case p != name:
			faults.Add("url", "the parameter %q is not supported: only %s is", p, name)
		case mode == "":
			faults.Add("url", "%s must be one of %s", p, strings.Join(slices.Sorted(maps.Keys(sslModes[o.dialect])), ", "))
		case o.TLS != "" && o.TLS != mode:
			faults.Add("options.tls", "contradicts the URL's %s", p)
		default:
			o.TLS = mode
		}
	}
}

func (o *options) parseTables(faults *decode.Faults) {
	o.locations = make(map[string]location, len(o.Tables))
	for datatype, raw := range o.Tables {
		path := decode.Member("options.tables", datatype)
		var p location
		var form decode.Faults
		if raw[0] == '{' {
			form.Decode(path, raw, &p)
		} else {
			form.Decode(path, raw, &p.Table)
		}
		if len(form.Details()) > 0 { // not shown: a credential may be where a name belongs
			faults.Add(path, `must be a name, {"table": name}, {"schema": name, "table": name} or {"query": "select …"}`)
			continue
		}
		p.Query = strings.TrimRight(p.Query, "; \t\r\n")
		if (p.Table == "") == (p.Query == "") {
			faults.Add(path, "must name a table or have a query")
			continue
		}
		if len(p.Query) > maxQuery {
			faults.Add(path, "the query is longer than %d KiB", maxQuery>>10)
		}
		if p.Schema == "" {
			p.Schema = o.Schema
			if schema, table, ok := strings.Cut(p.Table, "."); ok {
				p.Schema, p.Table = schema, table
				if schema == "" || table == "" {
					faults.Add(path, "a schema and a table have a dot between them")
				}
			}
		}
		if strings.ContainsRune(p.Schema+p.Table+p.Query, 0) {
			faults.Add(path, "has a zero byte")
		}
		o.locations[datatype] = p
	}
}

// tlsConfig returns nil for a connection that is not encrypted.
func (o *options) tlsConfig(env source.Env) (*tls.Config, error) {
	local := loopback(o.host)
	mode := o.TLS
	if mode == "" {
		mode = tlsVerify
		if local {
			mode = tlsDisable
		}
	}
	if mode == tlsDisable {
		if !local && !env.AllowHTTP {
			return nil, fault.New(fault.Invalid, "options.tls: a connection beyond this machine has to be encrypted, unless sync.allowHTTP in the configuration is true")
		}
		return nil, nil
	}
	c := &tls.Config{ServerName: o.host, MinVersion: tls.VersionTLS12}
	if mode == tlsRequire {
		c.InsecureSkipVerify = true // the definition says so
	}
	if o.CA != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(o.CA)) {
			return nil, fault.New(fault.Invalid, "options.ca has no certificate in PEM")
		}
	}
	return c, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// dialer returns the function that opens connections. Without one in env it refuses: a
// dialer of our own would check no address.
func dialer(env source.Env) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if env.DialContext != nil {
		return env.DialContext
	}
	return func(context.Context, string, string) (net.Conn, error) {
		return nil, fault.New(fault.Forbidden, "nothing outside may be called: this process has no dialer for it")
	}
}
