project="nb"; extensions=["nbsphinx"]; nbsphinx_execute="never"; html_theme="furo"
