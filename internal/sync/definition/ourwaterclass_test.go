package definition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
)

// The data sources of OurWater's own definitions are read under its names.
func TestOurWatersDatasources(t *testing.T) {
	t.Parallel()
	s, err := definition.Decode([]byte(`{"orgId":"o","type":"unknown","datasource":{"type":"LegacyMyWellDatasource","baseUrl":"https://wells.example.com","selectedDatatypes":["reading"]}}`))
	require.NoError(t, err)
	require.Equal(t, "legacy-mywell https://wells.example.com", s.Datasource.Type+" "+s.Datasource.URL)
	require.Equal(t, definition.Both, s.Type)

	s, err = definition.Decode([]byte(`{"orgId":"o","type":"unknown","datasource":{"type":"FileDatasource","fileUrl":"a.tsv","dataType":"Reading","fileFormat":"TSV",
		"options":{"includesHeadings":true,"hasHeaderRow":false,"usesLegacyMyWellIds":true}}}`))
	require.NoError(t, err)
	require.Equal(t, definition.Pull, s.Type)
	require.Equal(t, "csv", s.Datasource.Type)
	require.Equal(t, []string{"reading"}, s.Datasource.SelectedDatatypes)
	require.JSONEq(t, `{"includesHeadings":true,"columns":["date","pincode","resourceId","value"]}`, string(s.Datasource.Options))
	require.Equal(t, []string{"pincode", "resourceId", "date"}, s.Mapping["reading"].Key)

	s, err = definition.Decode([]byte(`{"orgId":"o","type":"pull","selectedDatatypes":["reading"],"mapping":{"reading":{"key":["a"]}},
		"datasource":{"type":"FileDatasource","fileUrl":"a.csv","dataType":"Reading","options":{"hasHeaderRow":true,"usesLegacyMyWellIds":true}}}`))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, s.Mapping["reading"].Key, "a mapping of its own holds")
	require.JSONEq(t, `{"includesHeadings":true}`, string(s.Datasource.Options))
}

// Where a name of OurWater's does not belong, the message says so.
func TestOurWatersNamesElsewhere(t *testing.T) {
	t.Parallel()
	for body, says := range map[string]string{
		`{"type":"pull","datasource":{"type":"LegacyMyWellDatasource","baseUrl":"https://a","url":"https://b"}}`:                        "datasource.baseUrl: stands in datasource.url already",
		`{"type":"pull","datasource":{"type":"legacy-mywell","baseUrl":"https://a"}}`:                                                   "datasource.baseUrl: unknown field",
		`{"type":"pull","datasource":{"type":"FileDatasource","fileUrl":"a.csv","options":{"usesLegacyMyWellIds":"yes"}}}`:              "datasource.options.usesLegacyMyWellIds: must be true or false",
		`{"type":"pull","mapping":"x","datasource":{"type":"FileDatasource","fileUrl":"a.csv","options":{"usesLegacyMyWellIds":true}}}`: "mapping: must be",
	} {
		_, err := definition.Decode([]byte(body))
		require.ErrorContains(t, err, says, body)
	}
}
