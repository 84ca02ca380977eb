# Rankings of 1,000 resamples of a table of cases by algorithms, by challengeR where it is installed, else by base R.
# Rscript benches/challenge_peers.R TABLE.csv RESAMPLES METHOD prints core-seconds and the package that was timed.
arguments <- commandArgs(trailingOnly = TRUE)
table <- read.csv(arguments[1])
resamples <- as.integer(arguments[2])
method <- arguments[3]
set.seed(1)
k <- length(unique(table$algorithm))
values <- matrix(table$value, ncol = k, byrow = TRUE)
superior <- function(x) {
  p <- matrix(1, k, k)
  for (i in seq_len(k)) for (j in seq_len(k)) if (i != j) {
    p[i, j] <- suppressWarnings(wilcox.test(x[, i], x[, j], paired = TRUE, alternative = "greater")$p.value)
  }
  off <- row(p) != col(p)
  p[off] <- p.adjust(p[off], "holm")
  rank(-rowMeans(p <= 0.05 & off))
}
ranked <- switch(method,
  "mean-then-rank" = function(x) rank(-colMeans(x)),
  "rank-then-mean" = function(x) rank(colMeans(t(apply(-x, 1, rank, ties.method = "min")))),
  "test-then-rank" = superior)
if (requireNamespace("challengeR", quietly = TRUE)) {
  package <- paste("challengeR", packageVersion("challengeR"))
  library(challengeR)
  challenge <- as.challenge(table, case = "case", algorithm = "algorithm", value = "value", smallBetter = FALSE)
  ranking <- switch(method,
    "mean-then-rank" = challenge |> aggregateThenRank(FUN = mean, ties.method = "min"),
    "rank-then-mean" = challenge |> rankThenAggregate(FUN = mean, ties.method = "min"),
    "test-then-rank" = challenge |> testThenRank(alpha = 0.05, p.adjust.method = "holm", ties.method = "min"))
  work <- function() bootstrap(ranking, nboot = resamples)
} else {
  package <- paste("base R", getRversion())
  work <- function() for (b in seq_len(resamples)) ranked(values[sample(nrow(values), replace = TRUE), ])
}
time <- system.time(work())
cat(sprintf("%s\t%.3f\n", package, sum(time[c(1, 2, 4, 5)], na.rm = TRUE)))
