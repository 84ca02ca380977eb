# Writes design.csv and design.txt: model matrices by R and random terms by lme4, for tests/formula.rs.
# Made with R 4.2.2 and lme4 1.1.31 in the C.UTF-8 locale: Rscript design.R
suppressMessages(library(lme4))
n <- 36; i <- seq_len(n)
d <- data.frame(
  y = round(sin(i) * 3 + i / 10, 4), x = round(cos(1.7 * i) + i / 20, 4), w = 1 + (i * 7) %% 5, num = c(10, 9, 2)[1 + i %% 3],
  a = c("a1", "a2", "a3")[1 + (i * 5) %% 3], b = c("u", "v")[1 + (i %/% 3) %% 2],
  c = c("lo", "mid", "hi", "top")[1 + (i %/% 2) %% 4], l = i %% 4 == 0,
  g = paste0("G", 1 + i %% 5), h = c("z", "y", "x")[1 + (i %/% 12) %% 3])
write.csv(d, "design.csv", row.names = FALSE, quote = FALSE)
f <- transform(d, a = factor(a), b = factor(b), c = factor(c, levels = c("lo", "mid", "hi", "top"), ordered = TRUE),
               g = factor(g), h = factor(h))
fixed <- c(
  "x", "0 + x", "a", "0 + a", "a - 1", "a + b", "b + a", "0 + a + b", "a:b", "0 + a:b", "a * b", "0 + a * b", "b:a + a",
  "a/b", "0 + a/b", "b %in% a", "a + b %in% a", "(a + b + c)^2", "(a + b + c)^2 - a:b", "(a + b + x)^3", "c", "0 + c", "c:x",
  "0 + c:x", "a * c", "x:a", "x + x:a", "a:x + b", "poly(x, 2)", "poly(x, 3, raw = TRUE)", "a * poly(x, 2)", "poly(x, 1)",
  "poly(x,degree=2):b", "log(w)", "log(w, 2) + log2(w)", "log10(w) + sqrt(w) + exp(x)", "I(x^2)", "I(x*100000 - w/3)", "scale(x)",
  "scale(x, scale = FALSE)", "scale(x,center=FALSE)", "factor(num)", "factor(num) * x", "factor(w):factor(num)", "l", "0 + l", "l * x",
  "a:l", "I(-x) + abs(x)", "offset(w) + x", "x + log(w) + I(log(w)^2)", "relevel(a, ref = \"a2\")", "factor(a, levels = c(\"a3\",\"a2\",\"a1\"))",
  "as.numeric(a) + b", "I(x - mean(x)) + I((x - min(x))/sd(x))", "1", "0", "x - 1 + a", "a + a:b + b", "(0 + x) * a", "x %in% a", "a:b:c", "b*c/a",
  "x + I(2 * x) + w", "num + factor(num)", "b:c + x:b", "poly(w, 2):poly(x, 2)", "0 + poly(x, 2) + b:poly(x,2)")
out <- file("design.txt", "w")
line <- function(...) writeLines(paste(..., sep = "|"), out)
numbers <- function(m) paste(format(as.vector(crossprod(m, cbind(1, i %% 7, i^2))), digits = 15, trim = TRUE), collapse = ";")
show <- function(kind, formula, data, contrasts = NULL) {
  m <- model.matrix(as.formula(paste("y ~", formula)), data, contrasts.arg = contrasts)
  line(kind, formula, paste(colnames(m), collapse = ";"), if (ncol(m)) numbers(m) else "")
}
for (s in fixed) show("treatment", s, f)
for (s in c("a", "a * b", "0 + a * b", "c", "a:x", "a + a:b")) for (k in c("sum", "helmert", "poly"))
  show(k, s, f, setNames(lapply(c("a", "b", "c"), function(.) paste0("contr.", k)), c("a", "b", "c"))[all.vars(as.formula(paste("~", s))) |> intersect(c("a", "b", "c"))])
random <- c("(1 | g)", "(x | g)", "(0 + x | g)", "(x - 1 | g)", "(1 | g/h)", "(1 | h/g/b)", "(1 | a:g)", "(x + w | g:h)", "(a | g)", "(0 + a | g)",
            "(x || g)", "(x + w || g)", "(a + x || g)", "(scale(x) + poly(w, 2) | g)", "(a:b | g)", "(1 | g) + (0 + c | h)", "(x * b || g)")
for (s in random) {
  e <- lFormula(as.formula(paste("y ~ x +", s)), f, control = lmerControl(check.nobs.vs.nRE = "ignore", check.nobs.vs.rankZ = "ignore", check.nobs.vs.nlev = "ignore", check.scaleX = "ignore"))$reTrms
  for (t in seq_along(e$cnms)) {
    z <- as.matrix(e$Ztlist[[t]])
    line("random", s, names(e$cnms)[t], paste(e$cnms[[t]], collapse = ";"), paste(levels(e$flist[[attr(e$flist, "assign")[t]]]), collapse = ";"), numbers(t(z)))
  }
}
close(out)
