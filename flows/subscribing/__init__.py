"""What runs at a subscriber: `driftune subscribe`.

    wanted      which version a subscription wants: its channel, base and library range
    news        what a version brings, as one object: for commands, and for people
    memory      what a subscription remembers, and its lock
    waking      waits for the next look: the server's events, else the clock
    loop        looks, again and again; what fails is told and tried again
    checked     --check: a version is asked its canary before anything is done with it
    folder      --into: a folder that always holds the newest version
    command     --exec: a command that is run for each version
    vllm        --vllm: a running vLLM is moved to each version
    vllm_api    what of vLLM's interface that needs
    webhook     --webhook: asks a server to post

Guarantees: an action works towards where its channel stands now (a version that was superseded before its turn is
passed over, and `previous` says what there was), is begun again after a kill at any moment, and is done at least once.
"""
