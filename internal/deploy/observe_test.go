package deploy_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/deploy/deploytest"
)

// There are six alerts, and a configuration without syncs has none about their runs.
func TestAlerts(t *testing.T) {
	t.Parallel()
	names := func(p *deploy.Plan) (names []string) {
		for _, a := range p.Alerts {
			names = append(names, a.Name)
		}
		return names
	}
	plans := deploytest.Plans(t)
	require.Equal(t, []string{"backlog-age", "deadline-missed", "sweep-silent", "events-expired", "runs-failed", "errors"}, names(plans["everything"]))
	require.Equal(t, []string{"backlog-age", "deadline-missed", "sweep-silent", "events-expired", "errors"}, names(plans["workflow"]))
}

var series = regexp.MustCompile(`logging_googleapis_com:user_(\w+?)(?:_(?:sum|count|bucket))?(\{[^}]*\})`)

// Every metric that an alert or a chart names is one that the plan makes, with the labels by
// which it is grouped.
func TestQueriesNameMetricsOfThePlan(t *testing.T) {
	t.Parallel()
	for name, p := range deploytest.Plans(t) {
		made, labels := map[string]bool{}, map[string]bool{"le": true, "response_code_class": true, "monitored_resource": true, "service_name": true}
		for _, m := range p.Metrics {
			made[strings.ReplaceAll(m.Name, ".", "_")] = true
			for _, l := range m.Labels {
				labels[l] = true
			}
		}
		var queries []string
		for _, a := range p.Alerts {
			require.NotEmpty(t, a.Documentation)
			queries = append(queries, a.Query)
		}
		var board struct {
			MosaicLayout struct {
				Tiles []struct {
					Widget struct {
						XyChart struct {
							DataSets []struct {
								TimeSeriesQuery struct{ PrometheusQuery string }
							}
						}
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(p.Dashboard), &board))
		for _, tile := range board.MosaicLayout.Tiles {
			queries = append(queries, tile.Widget.XyChart.DataSets[0].TimeSeriesQuery.PrometheusQuery)
		}
		require.Greater(t, len(queries), 8)
		for _, q := range queries {
			found := series.FindAllStringSubmatch(q, -1)
			require.True(t, found != nil || strings.Contains(q, "run_googleapis_com:request_"), q)
			for _, m := range found {
				require.True(t, made[m[1]], "%s: %s is in no metric of the plan", name, m[1])
			}
			for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(q, -1) {
				for label := range strings.SplitSeq(by[1], ", ") {
					require.True(t, labels[label], "%s: %s", name, label)
				}
			}
			require.Equal(t, strings.Count(q, "("), strings.Count(q, ")"))
		}
	}
}

// The lines of which metrics are made are those that the program writes: the fixed texts, and
// the metrics that it logs, by their names and labels.
func TestMetricsAreThoseOfTheProgram(t *testing.T) {
	t.Parallel()
	var gate string
	files, err := filepath.Glob("../gate/*.go")
	require.NoError(t, err)
	for _, f := range files {
		gate += string(deploytest.Read(t, f))
	}
	for _, line := range deploy.Missed {
		require.Contains(t, gate, `WarnContext(ctx, "`+line+`"`)
	}
	list, err := os.ReadFile("../platform/meter/list.go")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no list of metrics yet")
	}
	require.NoError(t, err)
	logged := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?s)Name: "(headgate\.[a-z.]+)", Unit: [^\n]*?Logged: true`).FindAllStringSubmatch(string(list), -1) {
		logged[m[1]] = true
	}
	for _, m := range deploytest.Plans(t)["everything"].Metrics {
		if len(m.Bounds) > 0 {
			require.True(t, logged[m.Name], "%s is not logged", m.Name)
			delete(logged, m.Name)
		}
	}
	require.Empty(t, logged, "the plan makes no metric of these lines")
}
