package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/headgate/headgate/"

// layers says which of our packages a package may import. Every package has an entry. Use
// cases know contracts and pure packages, never each other, a driver or an SDK. Only
// flow knows several, to tell one what another did. The three of a sync go one way: an
// exchange uses what a run is made of, and both use definitions.
var layers = map[string][]string{
	"client/js":                                  {},
	"internal/gate/calendar":                     {"internal/schedule"},
	"internal/gate/condition":                    {},
	"internal/gate/target":                       {"internal/gate/target/template", "internal/platform/fault", "internal/platform/outbound", "internal/webhook/signature"},
	"internal/gate/target/template":              {"internal/platform/credential"},
	"internal/platform/bucket":                   {"internal/platform/fault"},
	"internal/doctor":                            {"config", "internal/bus", "internal/platform/clock", "internal/deploy", "internal/platform/credential", "internal/platform/shell", "internal/store", "internal/unused"},
	"internal/doctor/googleprobe":                {"internal/doctor", "internal/platform/fault", "internal/platform/shell"},
	"internal/unused":                            {"config", "internal/platform/credential", "internal/platform/decode", "internal/platform/origin", "internal/sync/source"},
	"internal/platform/googletoken":              {"internal/platform/fault"},
	"config":                                     {"internal/gate/calendar", "internal/gate/condition", "internal/gate/expression", "internal/gate/target/template", "internal/schedule", "internal/platform/credential", "internal/platform/decode", "internal/platform/fault", "internal/webhook/expression", "internal/webhook/signature"},
	"internal/event":                             {"internal/platform/credential", "internal/platform/decode"},
	"internal/platform/fault":                    {},
	"internal/platform/clock":                    {},
	"internal/platform/keyset":                   {"internal/platform/clock", "internal/platform/fault"},
	"internal/platform/bearer":                   {},
	"internal/platform/origin":                   {},
	"internal/platform/credential":               {},
	"internal/platform/etag":                     {},
	"internal/platform/fence":                    {},
	"internal/gate/window":                       {"internal/event"},
	"internal/platform/meter":                    {},
	"internal/gate/expression":                   {"internal/event", "internal/platform/cel"},
	"internal/platform/cel":                      {},
	"internal/gate/message":                      {"internal/event"},
	"internal/store":                             {"internal/event", "internal/platform/fault", "internal/platform/meter", "internal/platform/trace"},
	"internal/bus":                               {"internal/platform/trace"},
	"internal/platform/obs":                      {"internal/platform/credential", "internal/platform/printable", "internal/platform/trace"},
	"internal/platform/trace":                    {"internal/platform/fault"},
	"internal/record":                            {"internal/platform/decode"},
	"internal/sync/source":                       {"internal/platform/budget", "internal/platform/credential", "internal/platform/fault", "internal/platform/fence", "internal/platform/decode"},
	"internal/sync/mapping":                      {"internal/platform/cel", "internal/sync/source", "internal/record", "internal/platform/fault"},
	"internal/record/entity":                     {"internal/webhook/occurrence", "internal/platform/etag", "internal/record", "internal/store", "internal/platform/fault"},
	"internal/sync/source/csvsource":             {"internal/platform/charset", "internal/platform/credential", "internal/sync/source", "internal/record", "internal/platform/fault", "internal/platform/fence", "internal/platform/decode"},
	"internal/sync/source/sqlsource":             {"internal/sync/source", "internal/sync/source/sqlsource/sqliteguard", "internal/record", "internal/platform/fault", "internal/platform/fence", "internal/platform/decode"},
	"internal/sync/source/sqlsource/sqliteguard": {"internal/platform/fault"},
	"internal/sync/source/rest":                  {"internal/platform/charset", "internal/platform/credential", "internal/platform/outbound", "internal/sync/source", "internal/platform/fault", "internal/platform/fence", "internal/platform/budget", "internal/platform/decode"},
	"internal/sync/source/apisource":             {"internal/platform/credential", "internal/sync/source", "internal/sync/source/rest", "internal/platform/fault", "internal/platform/decode"},
	"internal/sync/source/datacollect":           {"internal/platform/cel", "internal/record", "internal/platform/credential", "internal/platform/outbound", "internal/sync/source", "internal/sync/source/rest", "internal/platform/fault", "internal/platform/decode"},
	"internal/sync/source/mywell":                {"internal/sync/source", "internal/sync/source/rest", "internal/platform/fault", "internal/platform/decode"},
	"internal/sync/source/sourceexample":         {"internal/sync/source", "internal/sync/source/rest", "internal/platform/fault", "internal/platform/fence", "internal/platform/decode"},
	"internal/mock":                              {"internal/platform/etag"},
	"internal/schedule":                          {},
	"internal/platform/outbound":                 {"internal/platform/fault", "internal/platform/fence", "internal/platform/trace"},
	"internal/platform/printable":                {},
	"internal/platform/shell":                    {},
	"internal/platform/secret":                   {"internal/platform/credential", "internal/platform/fault"},
	"internal/sync/definition":                   {"config", "internal/platform/clock", "internal/platform/credential", "internal/platform/etag", "internal/platform/fault", "internal/store", "internal/sync/mapping", "internal/schedule", "internal/sync/source", "internal/platform/decode"},
	"internal/sync/run/plan":                     {"internal/record", "internal/sync/definition", "internal/sync/mapping"},
	"internal/sync/run":                          {"internal/webhook/occurrence", "internal/platform/budget", "internal/platform/clock", "internal/platform/fault", "internal/platform/fence", "internal/record", "internal/store", "internal/sync/definition", "internal/sync/mapping", "internal/sync/run/plan", "internal/sync/source", "internal/platform/shutdown", "internal/platform/trace", "internal/platform/meter"},
	"internal/sync/exchange":                     {"internal/webhook/occurrence", "internal/platform/fault", "internal/record", "internal/record/entity", "internal/store", "internal/sync/definition", "internal/sync/mapping", "internal/sync/run", "internal/sync/run/plan", "internal/sync/source"},
	"internal/webhook/signature":                 {"internal/platform/bearer"},
	"internal/webhook/expression":                {"internal/platform/cel"},
	"internal/draft":                             {"internal/platform/clock", "internal/platform/etag", "internal/platform/trace", "internal/store", "internal/platform/fault", "internal/record"},
	"internal/webhook/list":                      {"internal/store", "internal/platform/fault"},
	"internal/webhook/incoming":                  {"internal/event", "internal/webhook/occurrence", "internal/webhook/expression", "internal/platform/clock", "internal/webhook/signature", "internal/webhook/list", "internal/platform/outbound", "internal/store", "internal/platform/fault", "internal/platform/cel", "internal/platform/trace"},
	"internal/webhook/occurrence":                {"internal/event", "internal/store", "internal/webhook/list", "internal/platform/trace"},
	"internal/webhook/outgoing":                  {"internal/webhook/occurrence", "internal/platform/clock", "internal/platform/credential", "internal/webhook/signature", "internal/webhook/list", "internal/platform/outbound", "internal/platform/shutdown", "internal/store", "internal/platform/fault", "internal/platform/origin", "internal/platform/cel", "internal/platform/meter", "internal/platform/trace"},
	"internal/audit":                             {"internal/store", "internal/platform/fault"},
	"internal/platform/hosting":                  {},
	"internal/platform/telemetry":                {"internal/event", "internal/platform/trace", "internal/platform/meter"},
	"internal/platform/shutdown":                 {},
	"internal/platform/budget":                   {"internal/platform/fault"},
	"internal/gate":                              {"internal/webhook/occurrence", "internal/platform/shutdown", "internal/platform/budget", "internal/platform/clock", "config", "internal/event", "internal/gate/window", "internal/gate/message", "internal/gate/calendar", "internal/gate/condition", "internal/gate/expression", "internal/schedule", "internal/store", "internal/bus", "internal/platform/fault", "internal/gate/target", "internal/platform/outbound", "internal/gate/alert", "internal/platform/trace", "internal/platform/meter"},
	"internal/gate/cloudtimer":                   {"internal/gate"},
	"internal/gate/cloudtimer/tasktest":          {},
	"internal/gate/alert":                        {"internal/event", "internal/gate/window", "internal/platform/clock", "internal/platform/trace", "internal/store"},
	"internal/store/sqlitestore":                 {"internal/platform/clock", "internal/store", "internal/event", "internal/platform/fault"},
	"internal/store/firestorestore":              {"internal/platform/clock", "internal/store", "internal/event", "internal/platform/fault"},
	"internal/store/memorystore":                 {"internal/store", "internal/event", "internal/platform/fault"},
	"internal/bus/localbus":                      {"internal/bus"},
	"internal/bus/pubsubbus":                     {"internal/bus"},
	"internal/platform/web":                      {"internal/platform/budget", "config", "internal/platform/fault", "internal/platform/origin", "internal/platform/trace", "internal/platform/meter"},
	"internal/platform/auth":                     {"config", "internal/platform/bearer", "internal/platform/fault", "internal/platform/web", "internal/platform/keyset"},
	"internal/flow":                              {"config", "internal/bus", "internal/draft", "internal/gate", "internal/platform/etag", "internal/platform/fault", "internal/platform/outbound", "internal/record/entity", "internal/store", "internal/sync/source", "internal/sync/definition", "internal/sync/exchange", "internal/sync/run", "internal/webhook/incoming", "internal/webhook/outgoing", "live", "internal/webhook/signature", "internal/platform/meter", "internal/platform/trace"},
	"internal/app":                               {"internal/audit", "internal/webhook/occurrence", "internal/flow", "internal/platform/budget", "internal/platform/hosting", "internal/platform/clock", "internal/platform/outbound", "internal/platform/shutdown", "config", "internal/gate", "internal/gate/alert", "internal/gate/window", "internal/store", "internal/bus", "internal/platform/fault", "internal/record/entity", "internal/sync/definition", "internal/sync/exchange", "internal/sync/run", "internal/sync/source", "internal/event", "internal/webhook/incoming", "internal/webhook/outgoing", "internal/draft", "internal/platform/origin", "internal/platform/credential", "live", "internal/bus/busqueue", "internal/live/token", "internal/live/resolver", "internal/live/journal", "internal/webhook/signature", "internal/gate/target", "internal/webhook/expression", "internal/doctor", "internal/unused", "internal/platform/meter", "internal/platform/trace"},
	"functions":                                  {"client/js", "internal/audit", "config", "internal/app", "internal/flow", "internal/platform/auth", "internal/platform/bearer", "internal/platform/web", "internal/gate", "internal/gate/alert", "internal/event", "internal/gate/window", "internal/store", "internal/platform/fault", "internal/sync/definition", "internal/sync/exchange", "internal/sync/run", "internal/record/entity", "internal/webhook/incoming", "internal/webhook/outgoing", "internal/draft", "internal/platform/etag", "live", "internal/live/token", "internal/live/journal", "internal/platform/decode", "internal/webhook/signature", "internal/doctor", "internal/unused", "internal/platform/trace", "internal/bus"},
	"internal/cli/deployment":                    {"internal/audit", "internal/platform/credential", "internal/platform/fault", "internal/sync/definition", "internal/sync/run", "internal/event"},
	"internal/cli":                               {"internal/cost", "config", "functions", "internal/app", "internal/audit", "internal/cli/deployment", "internal/gate", "internal/mock", "internal/platform/budget", "internal/platform/decode", "internal/platform/fault", "internal/platform/hosting", "internal/platform/launch", "internal/platform/obs", "internal/sync/definition", "internal/sync/run", "internal/event", "internal/simulation", "internal/store", "internal/webhook/expression", "internal/doctor", "internal/deploy", "internal/deploy/gcloud", "internal/deploy/terraform", "internal/platform/printable", "internal/platform/shell"},
	"internal/deploy":                            {"config", "internal/platform/credential"},
	"internal/deploy/gcloud":                     {"internal/deploy", "internal/platform/shell"},
	"internal/deploy/terraform":                  {"internal/deploy"},
	"live":                                       {"internal/platform/shutdown", "internal/platform/budget", "internal/platform/clock", "internal/platform/origin", "internal/platform/decode"},
	"client":                                     {},
	"live/localqueue":                            {"internal/bus/busqueue", "internal/bus/localbus"},
	"live/pubsubqueue":                           {"internal/bus/busqueue", "internal/bus/pubsubbus"},
	"live/queuetest":                             {"live"},
	"internal/live/token":                        {"live", "internal/platform/keyset"},
	"internal/live/resolver":                     {"live", "internal/platform/budget", "internal/platform/fault", "internal/webhook/expression"},
	"internal/live/journal":                      {"live"},
	"internal/platform/charset":                  {},
	"internal/platform/decode":                   {"internal/platform/fault"},
	"internal/platform/decode/schema":            {"internal/platform/decode"},
	// The rest builds, measures or tests the whole.
	".":                                    {"internal/cli"},
	"examples/client":                      {"client"},
	"examples/live":                        {"live"},
	"functions/cloudfunctions":             {"functions", "internal/app", "internal/platform/launch", "internal/platform/obs"},
	"internal/platform/launch":             {"config", "internal/app", "internal/platform/bucket", "internal/platform/fault", "internal/sync/definition", "internal/gate", "internal/gate/cloudtimer", "internal/bus", "internal/bus/localbus", "internal/bus/pubsubbus", "internal/platform/budget", "internal/platform/hosting", "internal/platform/outbound", "internal/platform/secret", "internal/store/firestorestore", "internal/store/sqlitestore", "internal/sync/source", "internal/sync/source/apisource", "internal/sync/source/csvsource", "internal/sync/source/datacollect", "internal/sync/source/mywell", "internal/sync/source/sqlsource", "internal/platform/googletoken", "internal/doctor", "internal/doctor/googleprobe", "internal/store/memorystore", "internal/platform/telemetry", "internal/platform/obs", "internal/platform/trace", "internal/platform/shell"},
	"internal/bench":                       {"config", "functions", "internal/app", "internal/bus", "internal/bus/localbus", "internal/bus/pubsubbus", "internal/docpart", "internal/emulator", "internal/event", "internal/platform/budget", "internal/platform/hosting", "internal/platform/launch", "internal/store", "internal/store/firestorestore", "internal/store/sqlitestore", "live", "internal/record/entity"},
	"internal/simulation":                  {"config", "internal/bus", "internal/event", "internal/gate", "internal/platform/clock", "internal/platform/fault", "internal/store", "internal/store/memorystore"},
	"internal/cost":                        {"config"},
	"internal/contention":                  {},
	"internal/e2e":                         {},
	"internal/release":                     {},
	"internal/deploy/deploytest":           {"config", "internal/deploy"},
	"internal/docpart":                     {},
	"internal/doctest":                     {"internal/docpart"},
	"internal/emulator":                    {},
	"internal/bus/bustest":                 {"internal/bus"},
	"internal/store/drivertest":            {"internal/emulator", "internal/store", "internal/store/firestorestore", "internal/store/memorystore", "internal/store/sqlitestore"},
	"internal/store/storetest":             {"internal/event", "internal/platform/fault", "internal/store"},
	"internal/sync/source/sourcetest":      {"internal/platform/fault", "internal/platform/fence/fencetest", "internal/platform/outbound", "internal/sync/source"},
	"internal/platform/fence/fencetest":    {"internal/platform/fence"},
	"internal/bus/busqueue":                {"internal/bus"},
	"internal/platform/meter/metertest":    {"internal/platform/meter"},
	"internal/platform/telemetry/otlptest": {},
	"internal/platform/trace/tracetest":    {"internal/platform/trace"},
}

// sdks lists for each technology the only packages that may import it.
var sdks = map[string][]string{
	"cloud.google.com/go/firestore":                         {"internal/store/firestorestore"},
	"cloud.google.com/go/pubsub":                            {"internal/bus/pubsubbus"},
	"modernc.org/sqlite":                                    {"examples/client", "internal/store/sqlitestore", "internal/sync/source/sqlsource", "internal/sync/source/sqlsource/sqliteguard"},
	"github.com/google/go-containerregistry":                {"internal/release"},
	"modernc.org/libc":                                      {"internal/sync/source/sqlsource/sqliteguard"},
	"github.com/jackc/pgx":                                  {"internal/sync/source/sqlsource"},
	"github.com/go-sql-driver/mysql":                        {"internal/sync/source/sqlsource"},
	"cel.dev/cel-go":                                        {"internal/gate/expression", "internal/platform/cel", "internal/sync/mapping", "internal/sync/source/datacollect", "internal/webhook/expression", "internal/webhook/incoming", "internal/webhook/outgoing"},
	"github.com/gofrs/flock":                                {"internal/store/sqlitestore"},
	"code.dny.dev/ssrf":                                     {"internal/platform/outbound"},
	"github.com/coder/websocket":                            {"live"},
	"github.com/go-jose/go-jose":                            {"internal/live/token", "internal/platform/auth", "internal/platform/keyset"},
	"golang.org/x/text":                                     {"internal/platform/charset", "internal/sync/source/csvsource"},
	"github.com/GoogleCloudPlatform/functions-framework-go": {"functions/cloudfunctions"},
	"google.golang.org/api/cloudtasks":                      {"internal/gate/cloudtimer"},
	"google.golang.org/api/idtoken":                         {"internal/platform/auth"},
	"go.opentelemetry.io/":                                  {"internal/platform/telemetry"},
	"github.com/spf13/cobra":                                {"internal/cli"},
	"github.com/schollz/progressbar":                        {"internal/cli"},
	"github.com/spf13/pflag":                                {"internal/cli", "internal/platform/launch"},
	"github.com/swaggest/jsonschema-go":                     {},
}

// standalone packages import the standard library only: who uses one has no other dependency.
var standalone = []string{"client"}

// pure packages import only the standard library and each other. They use nothing of the
// standard library that reaches the network, the operating system or the clock, so the
// same arguments give the same result, except for random ids. See checkPure.
var pure = []string{
	"internal/contention", "internal/event", "internal/gate/calendar", "internal/gate/condition", "internal/gate/message", "internal/gate/target/template", "internal/gate/window", "internal/platform/bearer",
	"internal/platform/clock", "internal/platform/credential", "internal/platform/decode", "internal/platform/etag",
	"internal/platform/fault", "internal/platform/fence", "internal/platform/origin", "internal/platform/printable", "internal/platform/trace", "internal/record",
	"internal/schedule", "internal/webhook/signature",
}

// outside are the trees of the standard library that reach the world, and what a pure
// package may use of them because it only computes: whole packages, or names.
var (
	outside  = []string{"database", "log", "net", "os", "plugin", "runtime", "syscall", "go/parser", "path/filepath"}
	computes = map[string][]string{"net/url": nil, "net/textproto": nil, "net": {"SplitHostPort"}, "net/http": {"Header", "StatusText"}}
	clocks   = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"} // of package time
)

func TestImports(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "build" || path == "data" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if d.IsDir() && path != "." {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil { // a module of its own
				return filepath.SkipDir
			}
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		pkg := filepath.ToSlash(filepath.Dir(path))
		require.Contains(t, layers, pkg, "the package is under no rule: say in layers what it may import")
		seen[pkg] = true
		for _, imp := range file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			checkImport(t, path, pkg, name)
			if slices.Contains(standalone, pkg) {
				require.NotContains(t, strings.Split(name, "/")[0], ".", "%s imports %s, which is not of the standard library", path, name)
			}
			if slices.Contains(pure, pkg) {
				require.NoError(t, checkPure(file, imp, name), path)
			}
		}
		return nil
	})
	require.NoError(t, err)
	for pkg := range layers {
		require.True(t, seen[pkg], "layers has a rule for %s, which has no package", pkg)
	}
}

func checkImport(t *testing.T, path, pkg, name string) {
	if ours, ok := strings.CutPrefix(name, module); ok {
		require.Contains(t, layers[pkg], ours, "%s imports %s", path, ours)
		last := ours[strings.LastIndex(ours, "/")+1:]
		if pkg != "internal/bench" && !strings.HasSuffix(pkg, "test") && (last == "storetest" || last == "bustest" || last == "sourcetest" || last == "fencetest" || last == "drivertest" || last == "deploytest" || last == "otlptest" || last == "metertest" || last == "tracetest" || last == "emulator" || last == "doctest" || last == "docpart") {
			require.Failf(t, "test package", "%s imports %s outside a test", path, ours)
		}
		return
	}
	if strings.HasPrefix(pkg, "internal/bench") || pkg == "internal/emulator" || strings.HasSuffix(pkg, "test") {
		return
	}
	for sdk, owners := range sdks {
		if strings.HasPrefix(name, sdk) {
			require.Contains(t, owners, pkg, "%s imports %s", path, name)
		}
	}
}

// checkPure returns an error if the import of that name, or what the file uses of it,
// makes the file's package impure.
func checkPure(file *ast.File, imp *ast.ImportSpec, name string) error {
	if ours, ok := strings.CutPrefix(name, module); ok {
		if !slices.Contains(pure, ours) {
			return fmt.Errorf("a pure package imports %s, which is not", ours)
		}
		return nil
	}
	if strings.Contains(strings.Split(name, "/")[0], ".") {
		return fmt.Errorf("a pure package imports %s, of another module", name)
	}
	names, some := computes[name]
	reaches := slices.ContainsFunc(outside, func(tree string) bool { return name == tree || strings.HasPrefix(name, tree+"/") })
	switch {
	case name == "time":
	case !reaches || some && names == nil:
		return nil
	case !some:
		return fmt.Errorf("a pure package imports %s", name)
	}
	local := name[strings.LastIndex(name, "/")+1:]
	if imp.Name != nil {
		local = imp.Name.Name
	}
	if local == "." {
		return fmt.Errorf("a pure package imports %s without a name", name)
	}
	var err error
	ast.Inspect(file, func(n ast.Node) bool {
		if use, ok := n.(*ast.SelectorExpr); ok && err == nil {
			used := use.Sel.Name
			if x, ok := use.X.(*ast.Ident); ok && x.Name == local && (name == "time" && slices.Contains(clocks, used) || some && !slices.Contains(names, used)) {
				err = fmt.Errorf("a pure package uses %s.%s", name, used)
			}
		}
		return true
	})
	return err
}

func TestCheckPure(t *testing.T) {
	t.Parallel()
	for text, fails := range map[string]string{
		`import "strings"`: "", `import "net/url"`: "",
		`import "time"; var d time.Duration`:                                    "",
		`import "net/http"; func f(h http.Header) string { return h.Get("x") }`: "",
		`import "github.com/headgate/headgate/internal/event"`:                  "",
		`import "github.com/headgate/headgate/internal/store"`:                  "imports internal/store",
		`import "golang.org/x/text/cases"`:                                      "another module",
		`import "os/exec"`:                                                      "imports os/exec",
		`import "net/http"; var c http.Client`:                                  "uses net/http.Client",
		`import web "net/http"; var get = web.Get`:                              "uses net/http.Get",
		`import . "net/http"`:                                                   "without a name",
		`import "time"; var now = time.Now`:                                     "uses time.Now",
		`import "net"; func f() { _, _ = net.Dial("tcp", "127.0.0.1:1") }`:      "uses net.Dial",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; "+text, parser.SkipObjectResolution)
		require.NoError(t, err)
		name, err := strconv.Unquote(file.Imports[0].Path.Value)
		require.NoError(t, err)
		if err := checkPure(file, file.Imports[0], name); fails == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, fails, text)
		}
	}
}
