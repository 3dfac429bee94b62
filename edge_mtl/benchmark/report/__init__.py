"""What `result.BenchResult` holds, to be read: a page (`html`) and Markdown (`markdown`).

A file here is a chart, which draws itself as SVG (`svg`, `axes`), or a part of the text that the
page and the Markdown share (`numbers`, `naming`, `findings`, `subject_table`).
"""
