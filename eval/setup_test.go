package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/internal/postgrestest"
	"assay/internal/signing"
	"assay/telemetry"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

var product = auth.Product()

// gatehouse is the stage on databases of its own, with the people a gate
// needs.
type gatehouse struct {
	t         testing.TB
	pool      *pgxpool.Pool
	telemetry *telemetry.Store
	eval      *eval.Store
	sender    auth.Actor
	engineer  auth.Actor
	first     auth.Actor // release managers
	second    auth.Actor
	auditor   auth.Actor
	now       time.Time
}

func newGatehouse(t testing.TB, withEvents bool) *gatehouse {
	t.Helper()
	g := &gatehouse{t: t, pool: postgrestest.Database(t), now: time.Now().UTC().Truncate(time.Microsecond)}
	keys, err := signing.New("assay")
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return g.now }
	g.telemetry = &telemetry.Store{DB: g.pool, Clock: clock}
	if withEvents {
		g.telemetry.Clickhouse = clickhousetest.Database(t)
	}
	g.eval = &eval.Store{DB: g.pool, Traces: g.telemetry, Signing: keys, Clock: clock}
	g.engineer = g.person("Amal Lindqvist", auth.Engineer)
	g.first = g.person("Sana Iyer", auth.ReleaseManager)
	g.second = g.person("Mara Brandt", auth.ReleaseManager)
	g.auditor = g.person("Tomas Novak", auth.Auditor)
	g.sender = auth.Actor{Kind: auth.Key, ID: 1, Name: "wb_test", Scopes: []auth.Scope{auth.ScopeIngest}}
	if err := g.telemetry.SetTerms(context.Background(), g.engineer, g.sender.ID, telemetry.OpenTerms); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gatehouse) person(name string, role auth.Role) auth.Actor {
	g.t.Helper()
	ctx := context.Background()
	actor := auth.Actor{Kind: auth.Person, Name: name, Roles: []auth.Role{role}, SteppedUp: g.now}
	email := strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@example.org"
	if err := g.pool.QueryRow(ctx, `INSERT INTO people (email, name) VALUES ($1, $2) RETURNING id`, email, name).Scan(&actor.ID); err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.pool.Exec(ctx, `INSERT INTO person_roles (person_id, role) VALUES ($1, $2)`, actor.ID, role); err != nil {
		g.t.Fatal(err)
	}
	return actor
}

// send takes events in through the ingest and lands them.
func (g *gatehouse) send(lines ...string) telemetry.Receipt {
	g.t.Helper()
	ctx := context.Background()
	receipt, err := g.telemetry.Ingest(ctx, g.sender, []byte(strings.Join(lines, "\n")))
	if err != nil {
		g.t.Fatal(err)
	}
	if len(receipt.Rejected) > 0 {
		g.t.Fatalf("rejected: %v", receipt.Rejected)
	}
	if _, err := g.telemetry.Drain(ctx, product); err != nil {
		g.t.Fatal(err)
	}
	return receipt
}

func (g *gatehouse) evaluate() {
	g.t.Helper()
	if err := g.eval.Evaluate(context.Background(), product); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gatehouse) count(sql string, args ...any) int {
	g.t.Helper()
	var n int
	if err := g.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		g.t.Fatal(err)
	}
	return n
}

func (g *gatehouse) check(id int64) eval.Gate {
	g.t.Helper()
	gate, err := g.eval.Check(context.Background(), g.engineer, id)
	if err != nil {
		g.t.Fatal(err)
	}
	return gate
}

func (g *gatehouse) upload(id int64, lines ...string) eval.Upload {
	g.t.Helper()
	upload, err := g.eval.UploadRuns(context.Background(), g.engineer, id, strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		g.t.Fatal(err)
	}
	return upload
}

// sixTraces are the events of the worked example, in its order.
var sixTraces = []string{
	`{"event_type":"gate_trace","request_id":"req_201","case_id":"clean_scan","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"serve","first_failed_stage":"passed","unsafe_claim_served":false,"input_tokens":188,"cached_input_tokens":80,"output_tokens":27,"ttft_ms":172,"total_ms":410}`,
	`{"event_type":"gate_trace","request_id":"req_202","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"claim_generation","unsafe_claim_served":false,"input_tokens":196,"cached_input_tokens":80,"output_tokens":20,"ttft_ms":181,"total_ms":395}`,
	`{"event_type":"gate_trace","request_id":"req_203","case_id":"wrong_status","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"claim_generation","unsafe_claim_served":false,"input_tokens":192,"cached_input_tokens":80,"output_tokens":21,"ttft_ms":188,"total_ms":402}`,
	`{"event_type":"gate_trace","request_id":"req_204","case_id":"missing_feed","evidence_version":null,"prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"evidence_admission","unsafe_claim_served":false,"input_tokens":160,"cached_input_tokens":64,"output_tokens":15,"ttft_ms":205,"total_ms":382}`,
	`{"event_type":"gate_trace","request_id":"req_205","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1.1-regression","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true,"input_tokens":198,"cached_input_tokens":80,"output_tokens":29,"ttft_ms":218,"total_ms":430}`,
	`{"event_type":"gate_trace","request_id":"req_206","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1.1-regression","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true,"input_tokens":201,"cached_input_tokens":80,"output_tokens":30,"ttft_ms":240,"total_ms":455}`,
}

func runOf(window, caseID string, repeat int, unsafe bool) string {
	return fmt.Sprintf(`{"window":%q,"case_id":%q,"repeat":%d,"unsafe_claim_served":%t,"route":"serve"}`, window, caseID, repeat, unsafe)
}

func cleanRuns(holdout int) []string {
	var lines []string
	for repeat := 1; repeat <= 3; repeat++ {
		lines = append(lines, runOf("regression", "invented_eta", repeat, false))
	}
	for i := range holdout {
		lines = append(lines, runOf("holdout", fmt.Sprintf("parcel-%03d", i), 1, false))
	}
	return lines
}
