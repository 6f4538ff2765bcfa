package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/internal/stats"
	"assay/labeling"
)

var (
	monday = time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	week   = RateFilter{Outcome: Hallucination, From: monday, To: monday.AddDate(0, 0, 7), ByTaskClass: true, ByModel: true}
)

// cell is one stratum on one day, all of whose sampled items are labeled.
func cell(class labeling.PriorityClass, population, labels, bad int64) labeling.SampleCell {
	tally := labeling.Tally{Hallucinated: bad, Correct: labels - bad}
	return labeling.SampleCell{
		TaskClass: "sql_query", PriorityClass: class, Design: "bottom_k", Day: monday, ModelVersion: "v1", Keep: 1,
		Responses: population, Readable: population, Considered: population, Sampled: labels, Labels: tally, Raw: tally,
		LastLabelAt: monday.Add(30 * time.Hour),
	}
}

// changed returns the cells with a change to each.
func changed(cells []labeling.SampleCell, change func(*labeling.SampleCell)) []labeling.SampleCell {
	list := append([]labeling.SampleCell{}, cells...)
	for i := range list {
		change(&list[i])
	}
	return list
}

func one(t *testing.T, f RateFilter, cells []labeling.SampleCell, objectives map[string]float64) Rate {
	t.Helper()
	table, err := tabulate(f, cells, cells, objectives, monday)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Rows) != 1 {
		t.Fatalf("want one row, got %+v", table.Rows)
	}
	return table.Rows[0]
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9 }

// The published vectors of the stratified estimate, as the cells that a queue
// leaves behind.
func TestTheRateOfAllTrafficIsNotThatOfTheQueue(t *testing.T) {
	vectors := map[string]struct {
		cells                 []labeling.SampleCell
		raw, value, low, high float64
	}{
		"labels in every stratum": {
			[]labeling.SampleCell{cell("negative", 200, 40, 14), cell("implicit", 1500, 60, 9), cell("random", 48300, 100, 2)},
			25.0 / 200, .02522, .011053288326106277, .07365028561881462},
		"none bad where most of the traffic is": {
			[]labeling.SampleCell{cell("negative", 200, 40, 14), cell("implicit", 1500, 60, 9), cell("random", 48300, 100, 0)},
			23.0 / 200, .0059, .0037662446380401123, .041796292400198},
	}
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			row := one(t, week, v.cells, nil)
			if !near(row.Value, v.value) || !near(row.Low, v.low) || !near(row.High, v.high) || row.Thin {
				t.Errorf("want %v, %v to %v, got %v, %v to %v, thin %t", v.value, v.low, v.high, row.Value, row.Low, row.High, row.Thin)
			}
			if !near(row.Raw.Value, v.raw) {
				t.Errorf("raw: want %v, got %v", v.raw, row.Raw.Value)
			}
			if row.Responses != 50000 || row.Labels != 200 || row.Complete != 1 {
				t.Errorf("counts: %+v", row)
			}
		})
	}
}

func TestAThinStratumIsSaid(t *testing.T) {
	row := one(t, week, []labeling.SampleCell{cell("negative", 200, 40, 14), cell("random", 48300, 30, 0)}, nil)
	if !row.Thin || !row.Has(stats.ReasonThin) {
		t.Errorf("30 labels without a bad one carry 99 %% of the traffic: %+v", row.Estimate)
	}
}

// A day's split into versions, or a week's into days, changes nothing about
// all of it.
func TestDaysAndVersionsAddUp(t *testing.T) {
	whole := []labeling.SampleCell{cell("negative", 200, 40, 14), cell("random", 48300, 100, 2)}
	var parts []labeling.SampleCell
	for _, c := range whole {
		for half := range 2 {
			p := c
			p.ModelVersion = fmt.Sprint("v", half)
			p.Responses, p.Readable, p.Considered, p.Sampled = c.Responses/2, c.Readable/2, c.Considered/2, c.Sampled/2
			p.Labels = labeling.Tally{Hallucinated: c.Labels.Hallucinated / 2, Correct: c.Labels.Correct / 2}
			p.Raw = p.Labels
			parts = append(parts, p)
		}
	}
	f := week
	f.ByModel = false
	want, got := one(t, f, whole, nil), one(t, f, parts, nil)
	if fmt.Sprint(got.Estimate) != fmt.Sprint(want.Estimate) || fmt.Sprint(got.Raw) != fmt.Sprint(want.Raw) {
		t.Errorf("two versions: want %+v\ngot %+v", want.Estimate, got.Estimate)
	}
	days := changed(parts, func(c *labeling.SampleCell) {
		if c.ModelVersion == "v1" {
			c.Day = monday.AddDate(0, 0, 1)
		}
		c.ModelVersion = "v1"
	})
	if got := one(t, week, days, nil); !near(got.Value, want.Value) || got.Responses != want.Responses || !near(got.Low, want.Low) {
		t.Errorf("two days: want %+v\ngot %+v", want.Estimate, got.Estimate)
	}
}

func TestAStratumWithoutLabelsIsReadAsItsNeighbour(t *testing.T) {
	kept := func(c labeling.SampleCell, keep float64) labeling.SampleCell { c.Keep = keep; return c }
	imported := func(c labeling.SampleCell) labeling.SampleCell { c.Design = "census"; return c }
	other := func(c labeling.SampleCell) labeling.SampleCell { c.TaskClass = "file_edit"; return c }
	random := cell("random", 9000, 100, 2)
	tests := map[string]struct {
		cells    []labeling.SampleCell
		coverage float64
		value    float64 // of the flagged stratum, 500 of 9,500
	}{
		"the next milder class":                       {[]labeling.SampleCell{cell("negative", 500, 0, 0), cell("implicit", 500, 50, 10), random}, 1, .2},
		"the next milder class, kept otherwise":       {[]labeling.SampleCell{kept(cell("negative", 500, 0, 0), .1), kept(cell("implicit", 500, 50, 10), .5), random}, 1, .2},
		"a milder class beyond one that is not there": {[]labeling.SampleCell{cell("safety", 500, 0, 0), cell("implicit", 500, 50, 10), random}, 1, .2},
		"its own class, kept otherwise, goes before":  {[]labeling.SampleCell{kept(cell("negative", 500, 0, 0), .1), cell("negative", 500, 50, 30), cell("implicit", 0, 0, 0), random}, 1, .6},
		"of two ways of keeping the nearer":           {[]labeling.SampleCell{kept(cell("negative", 500, 0, 0), .05), kept(cell("negative", 400, 50, 30), .1), kept(cell("negative", 100, 50, 0), 1), random}, 1, -1},
		"never the random one":                        {[]labeling.SampleCell{cell("implicit", 500, 0, 0), random}, 9000.0 / 9500, 0},
		"never what was imported":                     {[]labeling.SampleCell{cell("implicit", 500, 0, 0), imported(cell("implicit", 50, 50, 50)), random}, 9050.0 / 9550, -1},
		"never another task class":                    {[]labeling.SampleCell{cell("implicit", 500, 0, 0), other(cell("implicit", 50, 50, 50)), random}, 9050.0 / 9550, -1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := week
			f.ByTaskClass = false
			row := one(t, f, test.cells, nil)
			if !near(row.Coverage, test.coverage) || row.Has(stats.ReasonUncovered) != (test.coverage < 1) {
				t.Fatalf("coverage: want %v, got %v %v", test.coverage, row.Coverage, row.Reasons)
			}
			if test.coverage < 1 || test.value < 0 {
				return
			}
			flagged := int64(0)
			for _, c := range test.cells {
				if c.PriorityClass != "random" {
					flagged += c.Readable
				}
			}
			n := float64(flagged)
			if want := (n*test.value + 9000*.02) / (n + 9000); !near(row.Value, want) {
				t.Errorf("want %v, got %v", want, row.Value)
			}
		})
	}
	got := strata(Hallucination, tests["of two ways of keeping the nearer"].cells)
	for _, s := range got {
		if s.Name == "sql_query/negative/bottom_k/0.05" && s.Neighbor != "sql_query/negative/bottom_k/0.1" {
			t.Errorf("of two ways of keeping the nearer: got %s", s.Neighbor)
		}
	}
}

func TestARateStandsAgainstItsObjective(t *testing.T) {
	objective := map[string]float64{"sql_query": .04}
	tests := map[string]struct {
		cells []labeling.SampleCell
		want  Standing
		why   string
	}{
		"wholly above is over":    {[]labeling.SampleCell{cell("random", 9000, 400, 40)}, Over, ""},
		"wholly below is within":  {[]labeling.SampleCell{cell("random", 9000, 400, 2)}, Within, ""},
		"across is undecided":     {[]labeling.SampleCell{cell("random", 9000, 100, 4)}, Unsettled, ""},
		"four labels are no data": {[]labeling.SampleCell{cell("random", 9000, 4, 4)}, NoData, "no data: 4 labels, at least 5 in each cell needed"},
		"no label is no data":     {[]labeling.SampleCell{cell("random", 9000, 0, 0)}, NoData, "no data: 0 labels"},
		"a stratum behind decides nothing": {changed([]labeling.SampleCell{cell("random", 9000, 400, 40)}, func(c *labeling.SampleCell) { c.Sampled = 600 }),
			Incomplete, "200 sampled items without a label"},
		"one reservation does not spoil a window": {append(changed([]labeling.SampleCell{cell("safety", 2, 1, 0)}, func(c *labeling.SampleCell) { c.Sampled = 2 }), cell("implicit", 9, 8, 0), cell("random", 9000, 400, 40)),
			Over, ""},
		"what is not yet considered decides nothing": {changed([]labeling.SampleCell{cell("random", 9000, 400, 40)}, func(c *labeling.SampleCell) { c.Considered = 8000 }),
			Incomplete, "1000 responses not yet considered"},
		"traffic nobody speaks for decides nothing": {[]labeling.SampleCell{cell("implicit", 900, 0, 0), cell("random", 8100, 400, 40)},
			Incomplete, "no label speaks for 10.0 % of the traffic"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			row := one(t, week, test.cells, objective)
			if row.Standing != test.want || !strings.HasPrefix(row.Why, test.why) || (test.why == "") != (row.Why == "") {
				t.Errorf("want %s %q, got %s %q (%+v)", test.want, test.why, row.Standing, row.Why, row.Estimate)
			}
		})
	}
	if row := one(t, week, []labeling.SampleCell{cell("random", 9000, 400, 40)}, nil); row.Standing != Unsettled || row.Objective != nil {
		t.Errorf("without an objective nothing is over: %s", row.Standing)
	}
}

func TestCannotTellIsCountedBesideTheRate(t *testing.T) {
	cells := []labeling.SampleCell{cell("random", 9000, 100, 10)}
	want := one(t, week, cells, nil)
	row := one(t, week, changed(cells, func(c *labeling.SampleCell) {
		c.Sampled += 20
		c.Labels.CannotTell, c.Raw.CannotTell = 20, 20
	}), nil)
	if row.Value != want.Value || row.Raw.Value != want.Raw.Value || row.Labels != 100 || row.CannotTell != 20 || row.Standing != want.Standing {
		t.Errorf("want %v, got %v with %d labels and %d cannot tell", want.Value, row.Value, row.Labels, row.CannotTell)
	}
}

func TestPartiallyCorrectIsBadOnlyWhereItIsAskedFor(t *testing.T) {
	cells := changed([]labeling.SampleCell{cell("random", 9000, 100, 10)}, func(c *labeling.SampleCell) {
		c.Labels = labeling.Tally{Hallucinated: 10, PartiallyCorrect: 30, Correct: 60}
		c.Raw = c.Labels
	})
	f := week
	hallucinated := one(t, f, cells, nil)
	f.Outcome = NotCorrect
	notCorrect := one(t, f, cells, nil)
	if !near(hallucinated.Value, .1) || !near(notCorrect.Value, .4) || !near(notCorrect.Raw.Value, .4) {
		t.Errorf("want .1 and .4, got %v and %v", hallucinated.Value, notCorrect.Value)
	}
}

func TestClassesAreOrderedByLowerLimitAndVersionsStandTogether(t *testing.T) {
	row := func(class, model string, bad int64, first int) labeling.SampleCell {
		c := cell("random", 9000, 200, bad)
		c.TaskClass, c.ModelVersion, c.Day = class, model, monday.AddDate(0, 0, first)
		return c
	}
	cells := []labeling.SampleCell{
		row("code_generation", "v1", 2, 0), row("code_generation", "v2", 30, 3),
		row("sql_query", "v1", 60, 0), row("sql_query", "v2", 1, 3),
		row("summarization", "v1", 0, 0), cell("random", 9000, 2, 2),
	}
	cells[5].TaskClass = "file_edit"
	table, err := tabulate(week, cells, nil, nil, monday)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range table.Rows {
		got = append(got, r.TaskClass+" "+r.ModelVersion)
	}
	want := "sql_query v2, sql_query v1, code_generation v2, code_generation v1, summarization v1, file_edit v1"
	if strings.Join(got, ", ") != want {
		t.Errorf("want %s\ngot  %s", want, strings.Join(got, ", "))
	}
	if table.Responses != 6*9000 || table.Readable != 6*9000 {
		t.Errorf("totals: %d of %d", table.Readable, table.Responses)
	}
}

func TestOnlyADifferenceThatExcludesZeroIsDecisive(t *testing.T) {
	compare := func(newer, older int64, change func(*labeling.SampleCell)) Comparison {
		a, b := cell("random", 9000, 400, newer), cell("random", 9000, 400, older)
		a.ModelVersion, a.Day = "v2", monday.AddDate(0, 0, 1)
		if change != nil {
			change(&a)
		}
		table, err := tabulate(week, []labeling.SampleCell{b, a}, nil, nil, monday)
		if err != nil || len(table.Comparisons) != 1 {
			t.Fatalf("%v, %+v", err, table.Comparisons)
		}
		return table.Comparisons[0]
	}
	if c := compare(40, 10, nil); !c.Decisive || c.Candidate.ModelVersion != "v2" || !near(c.Value, .075) || c.Low <= 0 {
		t.Errorf("40 of 400 against 10 of 400: %+v", c)
	}
	if c := compare(12, 10, nil); c.Decisive {
		t.Errorf("12 of 400 against 10 of 400 decides nothing: %+v", c.Difference)
	}
	if c := compare(40, 10, func(c *labeling.SampleCell) { c.Sampled = 900 }); c.Decisive {
		t.Error("a window that is not whole decides nothing")
	}
}

func TestTheHistoryHasAPointForEachDayThatIsSpokenFor(t *testing.T) {
	var cells []labeling.SampleCell
	for day := -20; day < 7; day++ {
		c := cell("random", 900, 20, 1)
		switch {
		case day < -3: // only the loud were read
			quiet := cell("random", 900, 0, 0)
			quiet.Day = monday.AddDate(0, 0, day)
			cells, c = append(cells, quiet), cell("safety", 5, 5, 5)
		case day == 4:
			continue
		case day == 6:
			c = cell("random", 900, 20, 8)
		}
		c.Day = monday.AddDate(0, 0, day)
		cells = append(cells, c)
	}
	f := week
	f.Daily = 14
	window := slices.DeleteFunc(slices.Clone(cells), func(c labeling.SampleCell) bool { return c.Day.Before(monday) })
	table, err := tabulate(f, window, cells, nil, monday)
	if err != nil {
		t.Fatal(err)
	}
	row := table.Rows[0]
	days := row.Days
	if len(days) != 14 || !days[0].Day.Equal(monday.AddDate(0, 0, -7)) || !days[13].Day.Equal(monday.AddDate(0, 0, 6)) {
		t.Fatalf("want the 14 days that end with the window, got %+v", days)
	}
	for _, d := range days {
		away := int(d.Day.Sub(monday) / (24 * time.Hour))
		if want := away >= -3 && away != 4; d.Defined != want {
			t.Errorf("day %d: want defined %t, got %+v", away, want, d)
		}
	}
	if last := days[13]; !near(last.Value, row.Value) || !near(last.Low, row.Low) || !near(last.High, row.High) {
		t.Errorf("the last point is the row itself: want %v, got %v", row.Value, last.Value)
	}
	f.From = monday.AddDate(0, 0, 6)
	if got := f.span(); got != 1 {
		t.Errorf("a day's window looks back over one day, got %d", got)
	}
}

func TestWorkThatIsLeftIsCounted(t *testing.T) {
	objective := map[string]float64{"sql_query": .04}
	left := func(cells ...labeling.SampleCell) int { return one(t, week, cells, objective).LabelsToDecide() }
	if got := left(cell("random", 9000, 3, 0)); got != 2 {
		t.Errorf("3 labels of the 5 that are needed: want 2, got %d", got)
	}
	behind := cell("random", 9000, 100, 2)
	behind.Sampled = 236
	if got := left(behind); got != 136 {
		t.Errorf("100 of 236 labeled: want 136, got %d", got)
	}
	if got := left(cell("random", 9000, 400, 40)); got != 0 {
		t.Errorf("over is decided: got %d", got)
	}
	if got := left(cell("random", 9000, 100, 4)); got != 0 {
		t.Errorf("too near to ever decide: got %d", got)
	}
	more := left(cell("random", 9000, 100, 7))
	total := float64(100 + more)
	interval, err := stats.WilsonEffective(.07, total, .95)
	if err != nil || more < 50 || interval.Low <= .04 {
		t.Errorf("%d labels more would give %v", more, cmp.Or(interval))
	}
}
