package web

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

// twoVersions is a product with three questions that two versions answered.
func twoVersions(t testing.TB) *world {
	w := queued(t, "sql_query", "one", "two", "three")
	w.exec(`UPDATE items SET model_version = 'version-old'`)
	w.enqueue(w.stages.Labeling.Telemetry.(bookshelf), "sql_query", "one", "two", "three")
	w.exec(`UPDATE items SET model_version = 'version-new', snapshot = jsonb_set(snapshot, '{response}', to_jsonb('The new answer to ' || title)) WHERE model_version <> 'version-old'`)
	return w
}

func TestTwoVersionsAreComparedWithoutNames(t *testing.T) {
	w := twoVersions(t)
	sides := []float64{0.2, 0.8, 0.2, 0.8, 0.2, 0.8}
	w.stages.Labeling.Draw = func() float64 { sides = append(sides[1:], sides[0]); return sides[0] }
	engineer, labeler := w.as(auth.Engineer), w.as(auth.Labeler)
	labeler.post("/comparisons", url.Values{"title": {"x"}}).want(403)
	wrong := engineer.post("/comparisons", url.Values{"title": {"New or old"}, "task_class": {"sql_query"}, "first": {"version-new"}, "second": {"none"}, "wanted": {"1"}}).want(400)
	if got := wrong.text("#open .field-error"); !strings.Contains(got, "No question of this task class") {
		t.Errorf("got %q", got)
	}
	engineer.post("/comparisons", url.Values{"title": {"New or old"}, "task_class": {"sql_query"}, "first": {"version-new"}, "second": {"version-old"}, "wanted": {"1"}}).to("/comparisons/new-or-old")

	address := labeler.post("/comparisons/new-or-old/next", nil).want(303).Header.Get("Location")
	left := []bool{}
	for range 3 {
		page := labeler.get(address).want(200)
		for _, path := range []string{address, "/comparisons", "/comparisons/new-or-old"} {
			if body := labeler.get(path).Body; strings.Contains(body, "version-new") || strings.Contains(body, "version-old") {
				t.Errorf("%s names a version", path)
			}
		}
		newLeft := strings.Contains(page.text("#left"), "The new answer")
		left = append(left, newLeft)
		form := url.Values{"side": {map[bool]string{true: "a", false: "b"}[newLeft]}} // always the new one
		for _, name := range []string{"reservation", "idempotency_key", "comparison"} {
			form.Set(name, page.attr(`main input[name="`+name+`"]`, "value"))
		}
		answer := labeler.post(strings.Split(address, "?")[0], form).want(303)
		labeler.post(strings.Split(address, "?")[0], form).want(303) // the second click of two
		address = answer.Header.Get("Location")
	}
	if left[0] == left[1] && left[1] == left[2] {
		t.Errorf("sides are drawn for each pair, got %v", left)
	}
	if address != "/comparisons/new-or-old" {
		t.Errorf("after the last: %s", address)
	}
	if n := w.count(`SELECT count(*) FROM preferences WHERE preferred = 'first'`); n != 3 {
		t.Errorf("the record turns sides back into versions: want 3, got %d", n)
	}
	if n := w.count(`SELECT count(DISTINCT flipped) FROM preferences`); n != 2 {
		t.Error("the sides are kept in the record")
	}
	result := engineer.get("/comparisons/new-or-old").want(200).text("main")
	for _, want := range []string{"version-new", "100", "43.9 to 100.0", "Undecided"} {
		if !strings.Contains(result, want) {
			t.Errorf("%q is missing in %s", want, clip(result, 900))
		}
	}
	if got := engineer.get("/comparisons/new-or-old/export?format=csv").want(200).Body; strings.Count(got, "\n") != 4 || !strings.Contains(got, "left_model") || strings.Contains(got, "@") {
		t.Errorf("the export: %s", got)
	}
	engineer.get("/comparisons/new-or-old/export?format=xls").want(400)
	labeler.get("/comparisons/new-or-old/export?format=csv").want(403)
}

func TestAPreferenceIsTakenBackAndALateOneRefused(t *testing.T) {
	w := twoVersions(t)
	ctx, store := context.Background(), w.stages.Labeling
	engineer := auth.Actor{Kind: auth.Person, ID: w.ids[auth.Engineer], Name: "E", Roles: []auth.Role{auth.Engineer}}
	if _, err := store.Compare(ctx, engineer, "Versions", "sql_query", "version-new", "version-old", 1); err != nil {
		t.Fatal(err)
	}
	first, second := w.as(auth.Labeler), w.signIn(w.person("second@example.org", auth.Labeler))
	address := first.post("/comparisons/versions/next", nil).want(303).Header.Get("Location")
	theirs := second.post("/comparisons/versions/next", nil).want(303).Header.Get("Location")
	if address == theirs {
		t.Error("one labeler a pair: two hold the same")
	}
	second.get(address).want(404)
	page := first.get(address).want(200)
	form := url.Values{"side": {"equal"}}
	for _, name := range []string{"reservation", "idempotency_key", "comparison"} {
		form.Set(name, page.attr(`main input[name="`+name+`"]`, "value"))
	}
	w.exec(`UPDATE pair_holds SET lease_until = now() - interval '1 second' WHERE pair_id = $1`, strings.TrimPrefix(address, "/pairs/"))
	first.post(address, form).want(409)
	w.exec(`UPDATE pair_holds SET lease_until = now() + interval '1 hour'`)
	first.post(address, form).want(303)
	first.post(address+"/undo", nil).to(address)
	first.post(address+"/undo", nil).want(409)
	again := first.get(address).want(200)
	if again.text("#left") != page.text("#left") {
		t.Error("the sides stand as they stood")
	}
	if n := w.count(`SELECT count(*) FROM preferences WHERE side IS NULL AND revision = 2`); n != 1 {
		t.Error("taking back is a revision")
	}
	list, err := store.Comparisons(ctx, engineer)
	if err != nil || len(list) != 1 || list[0].Compared != 0 || list[0].Pairs != 3 {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := store.Preferences(ctx, auth.Actor{Kind: auth.Person, ID: 1, Roles: []auth.Role{auth.Labeler}}, list[0].ID); err == nil {
		t.Error("a labeler reads no result")
	}
}

func TestPairsAreComparedByKey(t *testing.T) {
	w := twoVersions(t)
	engineer := w.as(auth.Engineer)
	engineer.post("/comparisons", url.Values{"title": {"Keys"}, "task_class": {"sql_query"}, "first": {"version-new"}, "second": {"version-old"}, "wanted": {"1"}}).want(303)
	b := chromium(t)
	b.become(w, w.as(auth.Labeler))
	b.open(w, "/comparisons/keys", 1440)
	b.press("Enter", "Enter")
	for i, key := range []string{"a", "e", "b"} {
		b.until(`document.querySelector('#left') && document.readyState === 'complete'`)
		js[int](b, painted)
		if i == 0 {
			b.photograph("pair-1440-light.png")
			for _, found := range b.axe() {
				t.Error(found)
			}
		}
		b.press("Key"+strings.ToUpper(key), key)
		w.eventually(`SELECT count(*) FROM preferences`, i+1)
	}
	for side, want := range map[string]int{"a": 1, "b": 1, "equal": 1} {
		if n := w.count(`SELECT count(*) FROM preferences WHERE side = $1`, side); n != want {
			t.Errorf("%s: want %d, got %d", side, want, n)
		}
	}
	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}
