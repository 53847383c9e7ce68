package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/mock"
)

// mockServer is a stand-in for a system outside.
type mockServer struct {
	name  string
	addr  string
	about string
	make  func(mock.Options) *mock.Server // nil for external-data
	rows  func(s *mock.Server, n int) error
	try   func(base string) string // lines that a person can type
}

// mockServers returns all stand-ins.
func mockServers() []mockServer {
	return []mockServer{
		{
			name: "sync-server", addr: "127.0.0.1:3000", about: "DataCollect's mock sync server", make: mock.NewSyncServer, rows: mockEvents,
			try: func(base string) string {
				return "curl " + base + "/mock-sync\n" + sampleSync(`{"externalSync":{"type":"mock-sync-server","url":"`+base+`/mock-sync","extraFields":[]}}`)
			},
		},
		{
			name: "openfn", addr: "127.0.0.1:3001", about: "OpenFn", make: mock.NewOpenFn, rows: mockEvents,
			try: func(base string) string {
				return "curl -H 'X-Api-Key: any' " + base + "/events\n" +
					sampleSync(`{"externalSync":{"type":"openfn-adapter","url":"`+base+`/events","extraFields":[{"name":"apiKey","value":"any"}]}}`)
			},
		},
		{
			name: "mywell", addr: "127.0.0.1:3002", about: "LegacyMyWell", make: mock.NewMyWell, rows: mockWells,
			try: func(base string) string {
				return "curl " + base + "/api/resources\n" +
					sampleSync(`{"orgId":"mywell","type":"both","datasource":{"type":"legacy-mywell","url":"`+base+`"}}`)
			},
		},
		{
			name: "external-data", addr: "127.0.0.1:3003", about: "The mock data service of Fluid's external-data example",
			try: func(base string) string {
				return "curl " + base + "/fetch-tasks\n" +
					`curl -d '{"url":"http://127.0.0.1:8080/echo-external-data-webhook"}' ` + base + "/register-for-webhook\n" +
					`curl -d '{"taskList":{"12":{"name":"Alpha","priority":7}}}' ` + base + "/set-tasks"
			},
		},
	}
}

// sampleSync returns a line that defines a sync at a Headgate beside the stand-in.
func sampleSync(text string) string { return "curl -d '" + text + "' http://127.0.0.1:8080/sync" }

// mockEvents puts n events there, one for each of the last seconds.
func mockEvents(s *mock.Server, n int) error {
	now := time.Now().UTC()
	for i := range n {
		err := s.Put("event", mock.Row{
			"guid": fmt.Sprintf("event-%06d", i), "entityGuid": fmt.Sprintf("household-%03d", i%100), "type": "update-entity",
			"data": map[string]any{"members": i%7 + 1}, "timestamp": now.Add(time.Duration(i-n) * time.Second).Format(time.RFC3339), "userId": "mock", "syncLevel": 1,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mockWells puts a village with n wells there, and a reading of each.
func mockWells(s *mock.Server, n int) error {
	const postcode = 313603
	err := s.Put("village", mock.Row{"id": 11, "postcode": postcode, "name": "Dharta", "coordinates": map[string]any{"lat": 24.59, "lng": 74.19}})
	for i := 0; err == nil && i < n; i++ {
		id := 1111500 + i
		err = errors.Join(
			s.Put("resource", mock.Row{
				"id": id, "postcode": postcode, "villageId": 11, "type": "well",
				"owner": fmt.Sprintf("Owner %d", i+1), "geo": map[string]any{"lat": 24.5 + float64(i)/1e4, "lng": 74.2},
			}),
			s.Put("reading", mock.Row{
				"id": i + 1, "postcode": postcode, "resourceId": id, "villageId": 11,
				"date": "2026-01-05T00:00:00.000Z", "value": 8.5 + float64(i%10)/10,
			}),
		)
	}
	return err
}
