"""How fast bpfman is, each figure beside one taken in the same run that it can be compared with."""
