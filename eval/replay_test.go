package eval_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

// replay is real input with known answers: 2,100 responses of seven models,
// labeled by people.
const replay = "../../shared/data/replay-refchecker/"

// replayed is the replay behind the product, its days moved so that its last
// week is the week that ended last midnight.
type replayed struct {
	*gatehouse
	labeling *labeling.Store
	shift    time.Duration
	midnight time.Time
}

func newReplayed(t *testing.T) *replayed {
	t.Helper()
	events, err := os.ReadFile(replay + "events.jsonl")
	if os.IsNotExist(err) {
		t.Skip("the replay is not beside the checkout: ../shared/data/replay-refchecker")
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &replayed{gatehouse: newGatehouse(t, true)}
	r.labeling = &labeling.Store{DB: r.pool, Telemetry: r.telemetry}
	r.eval.Labels = r.labeling
	ctx := context.Background()
	if err := r.telemetry.SetTerms(ctx, r.engineer, r.sender.ID, telemetry.ReplayTerms); err != nil {
		t.Fatal(err)
	}
	r.midnight = r.now.Truncate(24 * time.Hour)
	r.shift = r.midnight.Sub(time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC))
	if receipt := r.send(r.moved(t, events)...); receipt.Accepted != 2100 {
		t.Fatalf("want 2100 accepted, got %+v", receipt)
	}
	r.flag()
	return r
}

// moved writes the events' times anew.
func (r *replayed) moved(t *testing.T, events []byte) []string {
	var lines []string
	scanner := bufio.NewScanner(bytes.NewReader(events))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		_, rest, found := strings.Cut(line, `"timestamp": "`)
		text, _, closed := strings.Cut(rest, `"`)
		at, err := time.Parse(time.RFC3339, text)
		if !found || !closed || err != nil {
			t.Fatalf("no timestamp in %s", line)
		}
		lines = append(lines, strings.Replace(line, text, at.Add(r.shift).Format(time.RFC3339Nano), 1))
	}
	return lines
}

// flag does what the jobs do with what landed.
func (r *replayed) flag() {
	r.t.Helper()
	ctx := context.Background()
	_, err := r.telemetry.Flag(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Minute), func(ctx context.Context, some []telemetry.Candidate) error {
		_, err := r.labeling.Consider(ctx, product, some)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.labeling.CloseFrames(ctx, product, time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replayed) importTruth() {
	r.t.Helper()
	truth, err := os.Open(replay + "truth.jsonl")
	if err != nil {
		r.t.Fatal(err)
	}
	defer truth.Close()
	done, err := r.labeling.Import(context.Background(), r.engineer, truth)
	if err != nil {
		r.t.Fatal(err)
	}
	if done.Imported != 1905 || done.Unlabeled != 195 || len(done.Rejected) != 0 {
		r.t.Fatalf("want 1905 imported and 195 without a label, got %+v", done)
	}
	r.copied()
}

func (r *replayed) copied() {
	r.t.Helper()
	if _, err := r.labeling.CopyLabels(context.Background(), product); err != nil {
		r.t.Fatal(err)
	}
}

// expected reads a table of known answers.
func expected(t *testing.T, name string) [][]string {
	t.Helper()
	file, err := os.Open(replay + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// measured is the same table as the product gives it.
func (r *replayed) measured(from, to time.Time) [][]string {
	r.t.Helper()
	var rows [][]string
	for _, by := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
		table, err := r.eval.Rates(context.Background(), r.engineer, eval.RateFilter{From: from, To: to, ByTaskClass: by[0], ByModel: by[1]})
		if err != nil {
			r.t.Fatal(err)
		}
		notCorrect, err := r.eval.Rates(context.Background(), r.engineer, eval.RateFilter{Outcome: eval.NotCorrect, From: from, To: to, ByTaskClass: by[0], ByModel: by[1]})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, row := range table.Rows {
			i := slices.IndexFunc(notCorrect.Rows, func(other eval.Rate) bool {
				return other.TaskClass == row.TaskClass && other.ModelVersion == row.ModelVersion
			})
			rows = append(rows, line(by, row, notCorrect.Rows[i].Bad-row.Bad))
		}
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}

func line(by [2]bool, row eval.Rate, partial int) []string {
	class, model := "*", "*"
	if by[0] {
		class = row.TaskClass
	}
	if by[1] {
		model = row.ModelVersion
	}
	rate := ""
	if row.Labels > 0 {
		rate = fmt.Sprintf("%.6f", row.Raw.Value)
	}
	return []string{class, model, strconv.FormatInt(row.Responses, 10), strconv.Itoa(row.Labels), strconv.Itoa(row.Labels - row.Bad - partial),
		strconv.Itoa(partial), strconv.Itoa(row.Bad), strconv.FormatInt(row.Responses-int64(row.Labels), 10), rate}
}

// TestTheReplayGivesItsKnownRates is the whole way of real responses: through
// ingest, flagging and import to the table of rates, cell for cell.
func TestTheReplayGivesItsKnownRates(t *testing.T) {
	r := newReplayed(t)
	r.importTruth()
	whole := [2]time.Time{r.midnight.AddDate(0, 0, -28), r.midnight}
	lastWeek := [2]time.Time{r.midnight.AddDate(0, 0, -7), r.midnight}
	for name, window := range map[string][2]time.Time{"expected_rates.csv": whole, "expected_rates_2026-01-26_to_2026-02-02.csv": lastWeek} {
		want := expected(t, name)
		slices.SortFunc(want, slices.Compare)
		got := r.measured(window[0], window[1])
		if len(got) != len(want) {
			t.Errorf("%s: want %d rows, got %d", name, len(want), len(got))
		}
		for i := range min(len(got), len(want)) {
			if !slices.Equal(want[i], got[i]) {
				t.Errorf("%s\nwant %v\ngot  %v", name, want[i], got[i])
			}
		}
	}
	r.publishedQuery(lastWeek)
	r.nothingElseMovesIt(lastWeek)
}

// publishedQuery asks A14.1 as it stands.
func (r *replayed) publishedQuery(window [2]time.Time) string {
	r.t.Helper()
	ctx := context.Background()
	all := ""
	for _, class := range []string{"closed_book_qa", "rag_qa", "summarize_extract"} {
		rows, err := r.telemetry.Clickhouse.Query(ctx, `
			SELECT model_version, COUNT(CASE WHEN label='hallucinated' THEN 1 END) AS hallucinated, COUNT(*) AS labeled_total,
			1.0 * COUNT(CASE WHEN label='hallucinated' THEN 1 END) / COUNT(*) AS hallucination_rate
			FROM labeled_responses WHERE task_class='`+class+`' AND timestamp >= current_date - interval '7' day
			GROUP BY model_version ORDER BY hallucination_rate DESC`)
		if err != nil {
			r.t.Fatal(err)
		}
		table, err := r.eval.Rates(ctx, r.engineer, eval.RateFilter{From: window[0], To: window[1], TaskClass: class, ByTaskClass: true, ByModel: true})
		if err != nil {
			r.t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			var model string
			var bad, labeled uint64
			var rate float64
			if err := rows.Scan(&model, &bad, &labeled, &rate); err != nil {
				r.t.Fatal(err)
			}
			n++
			i := slices.IndexFunc(table.Rows, func(row eval.Rate) bool { return row.ModelVersion == model })
			if i < 0 || table.Rows[i].Bad != int(bad) || table.Rows[i].Labels != int(labeled) || table.Rows[i].Raw.Value != rate {
				r.t.Errorf("%s %s: published query says %d of %d, got %+v", class, model, bad, labeled, table.Rows)
			}
			all += fmt.Sprintln(class, model, bad, labeled)
		}
		if err := rows.Err(); err != nil || n != 7 {
			r.t.Errorf("%s: want seven models, got %d, %v", class, n, err)
		}
	}
	return all
}

// nothingElseMovesIt labels what the import left open: a cannot-tell, a second
// reading that differs, and labels in a queue of practice and of discovery.
func (r *replayed) nothingElseMovesIt(window [2]time.Time) {
	r.t.Helper()
	before := r.publishedQuery(window)
	first, second := r.person("Lea Castellanos", auth.Labeler), r.person("Ravi Amari", auth.Labeler)
	r.mustExec(`UPDATE queues SET overlap_share = 1, labels_wanted = 2`)
	r.mustExec(`UPDATE items SET wanted = 2 WHERE design = 'bottom_k'`)
	queue := "rag_qa"
	r.labels(first, queue, "cannot_tell")
	if got := r.publishedQuery(window); got != before {
		r.t.Errorf("a cannot-tell moved the published query:\n%s", got)
	}
	// Which response the next one is depends on chance; its first reading counts
	// and the second, which differs, does not.
	r.labels(first, queue, "correct")
	after := r.publishedQuery(window)
	r.mustExec(`UPDATE items SET removed_at = now(), removed_by = 'test', removed_reason = 'so that the others come again' WHERE labeled = 0`)
	r.labels(second, queue, "hallucinated", "hallucinated")
	if n := r.count(`SELECT count(*) FROM consensus WHERE method = 'split'`); n != 2 {
		r.t.Errorf("want two items that wait for a reviewer, got %d", n)
	}
	if got := r.publishedQuery(window); got != after {
		r.t.Errorf("second readings moved the published query:\nwant %s\ngot  %s", after, got)
	}
	r.mustExec(`UPDATE items SET removed_at = NULL, removed_by = NULL WHERE labeled = 0`)
	for _, kind := range []string{"practice", "discovery"} {
		r.mustExec(`UPDATE queues SET kind = $1 WHERE slug = 'closed_book_qa'`, kind)
		measured := r.measured(window[0], window[1])
		r.labels(first, "closed_book_qa", "hallucinated")
		if got := r.measured(window[0], window[1]); fmt.Sprint(got) != fmt.Sprint(measured) {
			r.t.Errorf("a label of a queue of %s moved a rate", kind)
		}
	}
}

// labels has the person label the next items of the queue.
func (r *replayed) labels(actor auth.Actor, queue string, labels ...string) {
	r.t.Helper()
	ctx := context.Background()
	for i, label := range labels {
		held, err := r.labeling.Reserve(ctx, actor, queue)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.labeling.Submit(ctx, actor, held.ItemID, held.Token, fmt.Sprint(actor.Name, queue, i, held.Token), labeling.Answer{Label: label, Reasons: []string{"other"}}); err != nil {
			r.t.Fatal(err)
		}
	}
	r.copied()
}

func (g *gatehouse) mustExec(sql string, args ...any) {
	g.t.Helper()
	if _, err := g.pool.Exec(context.Background(), sql, args...); err != nil {
		g.t.Fatal(err)
	}
}
