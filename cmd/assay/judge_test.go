package main

import "testing"

func TestPricesOfTheJudgeAreTwoNumbers(t *testing.T) {
	if in, out, err := prices(" 2.5, 10"); err != nil || in != 2.5 || out != 10 {
		t.Errorf("got %g, %g, %v", in, out, err)
	}
	if in, out, err := prices(""); err != nil || in != 0 || out != 0 {
		t.Errorf("got %g, %g, %v", in, out, err)
	}
	for _, bad := range []string{"1", "1,x", "-1,2", "NaN,1"} {
		if _, _, err := prices(bad); err == nil {
			t.Errorf("%q is taken for prices", bad)
		}
	}
}
