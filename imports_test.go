package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/headgate/headgate/"

// layers says which of our packages a package may import. Use cases know
// contracts and pure packages, never each other, a driver or an SDK.
var layers = map[string][]string{
	"config":                                {"internal/credential"},
	"internal/event":                        {"internal/credential"},
	"internal/fault":                        {},
	"internal/clock":                        {},
	"internal/bearer":                       {},
	"internal/origin":                       {},
	"internal/credential":                   {},
	"internal/etag":                         {},
	"internal/fence":                        {},
	"internal/window":                       {"internal/event"},
	"internal/message":                      {"internal/event"},
	"internal/store":                        {"internal/event"},
	"internal/bus":                          {},
	"internal/obs":                          {"internal/credential"},
	"internal/record":                       {},
	"internal/source":                       {"internal/budget", "internal/credential", "internal/fault"},
	"internal/mapping":                      {"internal/source", "internal/record", "internal/fault"},
	"internal/entity":                       {"internal/etag", "internal/record", "internal/store", "internal/fault"},
	"internal/source/csvsource":             {"internal/credential", "internal/source", "internal/record", "internal/fault", "internal/fence"},
	"internal/source/sqlsource":             {"internal/source", "internal/source/sqlsource/sqliteguard", "internal/record", "internal/fault", "internal/fence"},
	"internal/source/sqlsource/sqliteguard": {"internal/fault"},
	"internal/source/rest":                  {"internal/source", "internal/fault", "internal/fence", "internal/budget"},
	"internal/source/apisource":             {"internal/credential", "internal/source", "internal/source/rest", "internal/fault"},
	"internal/source/datacollect":           {"internal/credential", "internal/source", "internal/source/rest", "internal/fault"},
	"internal/source/mywell":                {"internal/source", "internal/source/rest", "internal/fault"},
	"internal/source/sourceexample":         {"internal/source", "internal/source/rest", "internal/fault", "internal/fence"},
	"internal/mock":                         {"internal/etag"},
	"internal/schedule":                     {},
	"internal/outbound":                     {"internal/fault", "internal/fence"},
	"internal/secret":                       {"internal/credential", "internal/fault"},
	"internal/syncrun":                      {"internal/budget", "internal/clock", "internal/etag", "internal/fence", "internal/schedule", "internal/record", "internal/mapping", "internal/secret", "internal/source", "internal/store", "internal/fault", "internal/credential"},
	"internal/live":                         {"internal/budget", "internal/clock", "internal/bus", "internal/fault"},
	"internal/webhook":                      {"internal/bearer"},
	"internal/draft":                        {"internal/clock", "internal/etag", "internal/store", "internal/fault", "internal/record"},
	"internal/echo":                         {"internal/clock", "internal/credential", "internal/webhook", "internal/outbound", "internal/store", "internal/fault"},
	"internal/budget":                       {"internal/fault"},
	"internal/gate":                         {"internal/budget", "internal/clock", "config", "internal/event", "internal/window", "internal/message", "internal/store", "internal/bus", "internal/fault"},
	"internal/store/sqlitestore":            {"internal/clock", "internal/store", "internal/event", "internal/fault"},
	"internal/store/firestorestore":         {"internal/clock", "internal/store", "internal/event", "internal/fault"},
	"internal/bus/localbus":                 {"internal/bus"},
	"internal/bus/pubsubbus":                {"internal/bus"},
	"internal/web":                          {"internal/budget", "config", "internal/fault", "internal/origin"},
	"internal/auth":                         {"config", "internal/bearer", "internal/fault", "internal/web"},
	"internal/app":                          {"internal/budget", "internal/clock", "config", "internal/gate", "internal/store", "internal/bus", "internal/fault", "internal/entity", "internal/syncrun", "internal/source", "internal/event", "internal/live", "internal/echo", "internal/draft", "internal/etag", "internal/origin", "internal/credential"},
	"functions": {
		"config", "internal/app", "internal/auth", "internal/bearer", "internal/web", "internal/gate", "internal/event",
		"internal/window", "internal/store", "internal/fault", "internal/syncrun", "internal/entity", "internal/live", "internal/echo", "internal/draft", "internal/etag",
	},
}

// sdks says who alone may import a technology.
var sdks = map[string][]string{
	"cloud.google.com/go/firestore":                         {"internal/store/firestorestore"},
	"cloud.google.com/go/pubsub":                            {"internal/bus/pubsubbus"},
	"modernc.org/sqlite":                                    {"internal/store/sqlitestore", "internal/source/sqlsource", "internal/source/sqlsource/sqliteguard"},
	"modernc.org/libc":                                      {"internal/source/sqlsource/sqliteguard"},
	"github.com/jackc/pgx":                                  {"internal/source/sqlsource"},
	"github.com/go-sql-driver/mysql":                        {"internal/source/sqlsource"},
	"cel.dev/cel-go":                                        {"internal/mapping", "internal/echo"},
	"github.com/gofrs/flock":                                {"internal/store/sqlitestore"},
	"code.dny.dev/ssrf":                                     {"internal/outbound"},
	"github.com/coder/websocket":                            {"internal/live"},
	"github.com/go-jose/go-jose":                            {"internal/live"},
	"golang.org/x/text":                                     {"internal/source/csvsource"},
	"github.com/GoogleCloudPlatform/functions-framework-go": {"functions/cloudfunctions"},
	"google.golang.org/api/idtoken":                         {"internal/auth"},
}

// pure packages import the standard library only, and no clock or network of it.
var pure = []string{"internal/clock", "internal/fence", "internal/schedule", "internal/event", "internal/window", "internal/message", "internal/record", "internal/etag", "internal/origin", "internal/credential"}

func TestImports(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "build" || path == "data" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		pkg := filepath.ToSlash(filepath.Dir(path))
		test := strings.HasSuffix(path, "_test.go")
		for _, imp := range file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			if test {
				continue
			}
			checkImport(t, path, pkg, name)
		}
		return nil
	})
	require.NoError(t, err)
}

func checkImport(t *testing.T, path, pkg, name string) {
	if ours, ok := strings.CutPrefix(name, module); ok {
		if allowed, ruled := layers[pkg]; ruled {
			require.Contains(t, allowed, ours, "%s imports %s", path, ours)
		}
		last := ours[strings.LastIndex(ours, "/")+1:]
		if pkg != "internal/bench" && !strings.HasSuffix(pkg, "test") && (last == "storetest" || last == "bustest" || last == "sourcetest" || last == "fencetest" || last == "emulator") {
			require.Failf(t, "test package", "%s imports %s outside a test", path, ours)
		}
		return
	}
	if slices.Contains(pure, pkg) {
		require.NotContains(t, strings.Split(name, "/")[0], ".", "%s, which is pure, imports %s", path, name)
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
