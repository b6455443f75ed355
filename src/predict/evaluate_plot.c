/* SPDX-License-Identifier: Apache-2.0 */
/* Two panels below each other, a curve for each model in both: hits over how many guesses are taken, and what came true of what
 * was said. The diagonal is where both agree; dots of bins with few guesses are small. */
#include "base/fail.h"
#include "predictor.h"
#include "stats/svg_writer.h"

#include <larder/evaluate.h>
#include <math.h>

#define WIDTH  760
#define HEIGHT 400 /* of a panel */
#define LEFT   64
#define RIGHT  150 /* room for the legend */
#define TOP    44
#define BOTTOM 52
#define PLOT_W (WIDTH - LEFT - RIGHT)
#define PLOT_H (HEIGHT - TOP - BOTTOM)

typedef struct panel {
  lrd_svg svg;
  int y;
} panel;

static double x_of(double share) { return LEFT + PLOT_W * share; }
static double y_of(const panel *p, double share) { return p->y + TOP + PLOT_H * (1 - share); }

static void frame_draw(panel *p, const char *title, const char *across, const char *up) {
  lrd_svg_put(&p->svg, "<text x=\"%d\" y=\"%d\" class=\"title\">", LEFT, p->y + 24);
  lrd_svg_text(&p->svg, title, 80);
  lrd_svg_put(&p->svg, "</text>\n");
  for (int i = 0; i <= 5; i++) {
    double y = y_of(p, i / 5.0);
    lrd_svg_put(&p->svg, "<path d=\"M%d %.1fH%d\" class=\"%s\"/>", LEFT, y, LEFT + PLOT_W, i == 0 ? "axis" : "grid");
    lrd_svg_put(&p->svg, "<text x=\"%d\" y=\"%.1f\" class=\"end\">%d %%</text>\n", LEFT - 8, y + 4, i * 20);
  }
  lrd_svg_put(&p->svg, "<path d=\"M%d %dV%d\" class=\"axis\"/>\n", LEFT, p->y + TOP, p->y + TOP + PLOT_H);
  lrd_svg_put(&p->svg, "<text x=\"%d\" y=\"%d\" class=\"middle\">%s</text>\n", LEFT + PLOT_W / 2, p->y + TOP + PLOT_H + 40,
              across);
  lrd_svg_put(&p->svg, "<text transform=\"translate(16 %d) rotate(-90)\" class=\"middle\">%s</text>\n", p->y + TOP + PLOT_H / 2,
              up);
}

static void mark_draw(panel *p, double share, const char *text) {
  int bottom = p->y + TOP + PLOT_H;
  lrd_svg_put(&p->svg, "<path d=\"M%.1f %dv5\" class=\"axis\"/><text x=\"%.1f\" y=\"%d\" class=\"middle\">%s</text>\n",
              x_of(share), bottom, x_of(share), bottom + 19, text);
}

static void legend_draw(panel *p, unsigned model) {
  int x = LEFT + PLOT_W + 16, y = p->y + TOP + 8 + (int)model * 20;
  lrd_svg_put(&p->svg, "<path class=\"curve c%u\" d=\"M%d %dh22\"/><text x=\"%d\" y=\"%d\">%s</text>\n", model, x, y, x + 28,
              y + 4, larder_predict_model_name((larder_predict_model)model));
}

static void dot_draw(panel *p, unsigned model, double across, double up, double radius, const char *says, double figure) {
  lrd_svg_put(&p->svg, "<circle class=\"dot c%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%s %s: %.2f %%</title></circle>\n",
              model, x_of(across), y_of(p, up), radius, larder_predict_model_name((larder_predict_model)model), says,
              figure * 100);
}

static void hits_draw(panel *p, const larder_evaluation *evaluations) {
  static const char *const texts[LARDER_EVALUATE_TOPS] = {"1", "3", "5", "10"}, *const says[] = {"first", "first 3", "first 5",
                                                                                                 "first 10"};
  for (unsigned i = 0; i < LARDER_EVALUATE_TOPS; i++) mark_draw(p, LARDER_EVALUATE_TOP(i) / 10.0, texts[i]);
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++) {
    const larder_score *all = &evaluations[model].all;
    lrd_svg_put(&p->svg, "<path class=\"curve c%u\" d=\"", model);
    for (unsigned i = 0; i < LARDER_EVALUATE_TOPS; i++)
      lrd_svg_put(&p->svg, "%c%.1f %.1f", i ? 'L' : 'M', x_of(LARDER_EVALUATE_TOP(i) / 10.0),
                  y_of(p, larder_score_share(all, i)));
    lrd_svg_put(&p->svg, "\"/>\n");
    for (unsigned i = 0; i < LARDER_EVALUATE_TOPS; i++)
      dot_draw(p, model, LARDER_EVALUATE_TOP(i) / 10.0, larder_score_share(all, i), 3, says[i], larder_score_share(all, i));
    legend_draw(p, model);
  }
}

static void bins_draw(panel *p, const larder_evaluation *evaluations) {
  static const char *const texts[] = {"0 %", "20 %", "40 %", "60 %", "80 %", "100 %"};
  for (unsigned i = 0; i <= 5; i++) mark_draw(p, i / 5.0, texts[i]);
  lrd_svg_put(&p->svg, "<path class=\"axis\" stroke-dasharray=\"2 4\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", x_of(0), y_of(p, 0),
              x_of(1), y_of(p, 1));
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++) {
    char mark = 'M';
    lrd_svg_put(&p->svg, "<path class=\"curve c%u\" d=\"", model);
    for (unsigned i = 0; i < LARDER_EVALUATE_BINS; i++) {
      const larder_evaluate_bin *bin = &evaluations[model].bins[i];
      double guesses = (double)bin->guesses;
      if (bin->guesses == 0) continue;
      lrd_svg_put(&p->svg, "%c%.1f %.1f", mark, x_of(bin->predicted / guesses), y_of(p, (double)bin->right / guesses));
      mark = 'L';
    }
    lrd_svg_put(&p->svg, "\"/>\n");
    for (unsigned i = 0; i < LARDER_EVALUATE_BINS; i++) {
      const larder_evaluate_bin *bin = &evaluations[model].bins[i];
      double guesses = (double)bin->guesses;
      if (bin->guesses == 0) continue;
      double part = guesses / (double)evaluations[model].all.steps;
      dot_draw(p, model, bin->predicted / guesses, (double)bin->right / guesses, 1.5 + 6 * sqrt(part), "came true",
               (double)bin->right / guesses);
    }
    legend_draw(p, model);
  }
}

larder_err larder_evaluation_plot(const larder_evaluation *evaluations, const char *title, char **text_out, size_t *len_out) {
  lrd_buf out = {0};
  panel p = {.svg = {.out = &out}};
  if (evaluations == NULL || title == NULL || text_out == NULL || len_out == NULL) return LARDER_EINVAL;
  lrd_svg_begin(&p.svg, WIDTH, 2 * HEIGHT);
  lrd_svg_chart_style(&p.svg);
  frame_draw(&p, title, "guesses that are taken", "requests that were among them");
  hits_draw(&p, evaluations);
  p.y = HEIGHT;
  frame_draw(&p, "what was said, and what came true", "probability of the first guess", "came true");
  bins_draw(&p, evaluations);
  larder_err err = lrd_svg_end(&p.svg, text_out, len_out);
  lrd_buf_fini(&out);
  return err;
}
