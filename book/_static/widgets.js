// The widgets ask MathJax 2 to draw formulas in their labels. The book has MathJax 3, and no formulas in labels.
window.addEventListener('load', () => {
  if (window.MathJax && !window.MathJax.Hub) {
    window.MathJax.Hub = {Queue() {}};
  }
});
