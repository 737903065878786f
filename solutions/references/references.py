# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # References
#
# Nothing here is graded. This page gathers what the chapters name under *Read on*, and what the code
# names as its sources: papers, lectures, book chapters, each with a line on what it adds. It follows
# the course, subject by subject; a work stands where it is needed first. The numbers after the arrow
# are the chapters that lean on it.
#
# The year is that of the first version anybody could read; a venue, where one is given, says when the
# work appeared there. You need none of this to do the exercises.
#
# ## The whole course
#
# **Books**
#
# - Goodfellow, Bengio and Courville, 2016: *Deep learning*, MIT Press,
#   [deeplearningbook.org](https://www.deeplearningbook.org). Chapter 9 is the operation and the three
#   reasons for it, chapters 7 and 8 are regularisation and optimisation. → 01, 02, 06
# - Zhang, Lipton, Li and Smola, 2023: *Dive into deep learning*, Cambridge University Press,
#   [d2l.ai](https://d2l.ai). Each layer and each classic network in code that runs; among its sections
#   *From fully connected layers to convolutions* and *Multiple input and multiple output channels*.
#   → 01, 02, 03, 07
# - Prince, 2023: *Understanding deep learning*, MIT Press,
#   [udlbook.github.io](https://udlbook.github.io/udlbook/). Chapter 10 begins with convolutions in one
#   dimension, where every weight can be drawn. → 01, 02
#
# **Lectures**
#
# - Stanford, *CS231n*, [notes on convolutional networks](https://cs231n.github.io/convolutional-networks/):
#   sizes and hyperparameters as practitioners choose them, and a moving picture of kernels over three
#   channels. → 01, 02, 03, 04, 07
# - MIT, *6.S191*, [introtodeeplearning.com](http://introtodeeplearning.com): one lecture from pixels to
#   what such networks are used for. → 01
# - LeCun and Canziani, New York University, *DS-GA 1008*,
#   [notes of each week](https://atcold.github.io/pytorch-Deep-Learning/): convolutions told by one of
#   those who began it. Listed by one of the documents below.
# - Ng and Katanforoosh, Stanford, *CS230*, [cs230.stanford.edu](https://cs230.stanford.edu): how a
#   project with such a network is run. Listed by one of the documents below.
# - fast.ai, *Practical deep learning for coders*, [course.fast.ai](https://course.fast.ai): transfer
#   learning as the first thing to try, not the last. → 11
#
# ## Why convolution, and how it slides
#
# - LeCun, Bottou, Bengio and Haffner, 1998: *Gradient-based learning applied to document recognition*
#   (LeNet), Proceedings of the IEEE 86(11), [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791).
#   Local receptive fields and shared weights, argued for and put to work on digits. → 01, 06, 07
# - Kayhan and van Gemert, 2020: *On translation invariance in CNNs: convolutional layers can exploit
#   absolute spatial location*, CVPR 2020, [arXiv:2003.07064](https://arxiv.org/abs/2003.07064). How
#   networks learn places from the borders of images. → 01
# - Dumoulin and Visin, 2016: *A guide to convolution arithmetic for deep learning*,
#   [arXiv:1603.07285](https://arxiv.org/abs/1603.07285). Every case of padding, stride and dilation as a
#   drawing; chapter 4 is the transposed convolution. → 02, 09
#
# ## Channels
#
# - Zeiler and Fergus, 2013: *Visualizing and understanding convolutional networks*, ECCV 2014,
#   [arXiv:1311.2901](https://arxiv.org/abs/1311.2901). What the channels of each layer of a trained
#   network answer to. → 03
# - Olah, Mordvintsev and Schubert, 2017: *Feature visualization*, Distill,
#   [doi:10.23915/distill.00007](https://doi.org/10.23915/distill.00007). The same question, with
#   pictures that the network is made to paint. → 03
# - Olah, Satyanarayan and others, 2018: *The building blocks of interpretability*, Distill,
#   [doi:10.23915/distill.00010](https://doi.org/10.23915/distill.00010). Such pictures put together
#   with what each contributes to an answer. Listed by one of the documents below.
# - Lin, Chen and Yan, 2013: *Network in network*, ICLR 2014,
#   [arXiv:1312.4400](https://arxiv.org/abs/1312.4400). Where the 1×1 convolution comes from, and global
#   average pooling. → 03, 04
# - Chellapilla, Puri and Simard, 2006: *High performance convolutional neural networks for document
#   processing*, Workshop on Frontiers in Handwriting Recognition,
#   [hal:inria-00112631](https://hal.inria.fr/inria-00112631). A convolution as one matrix product: im2col
#   early on. → 03
# - Lavin and Gray, 2015: *Fast algorithms for convolutional neural networks*, CVPR 2016,
#   [arXiv:1509.09308](https://arxiv.org/abs/1509.09308). Winograd's products, in two dimensions and over
#   channels. → 03
#
# ## Pooling and shifts
#
# - Scherer, Müller and Behnke, 2010: *Evaluation of pooling operations in convolutional architectures for
#   object recognition*, ICANN 2010,
#   [doi:10.1007/978-3-642-15825-4_10](https://doi.org/10.1007/978-3-642-15825-4_10). Maximum against
#   average, all else equal. → 04
# - Springenberg, Dosovitskiy, Brox and Riedmiller, 2014: *Striving for simplicity: the all convolutional
#   net*, [arXiv:1412.6806](https://arxiv.org/abs/1412.6806). What happens when every pool becomes a
#   convolution with stride. → 04
# - Azulay and Weiss, 2018: *Why do deep convolutional networks generalize so poorly to small image
#   transformations?*, JMLR 2019, [arXiv:1805.12177](https://arxiv.org/abs/1805.12177). What a shift by one
#   pixel does to networks that win competitions. → 04
# - Zhang, 2019: *Making convolutional networks shift-invariant again*, ICML 2019,
#   [arXiv:1904.11486](https://arxiv.org/abs/1904.11486). Blur, then skip: the remedy, measured on large
#   networks. → 04
#
# ## The receptive field
#
# - Luo, Li, Urtasun and Zemel, 2016: *Understanding the effective receptive field in deep convolutional
#   neural networks*, NeurIPS 2016, [arXiv:1701.04128](https://arxiv.org/abs/1701.04128). The Gaussian, the
#   square root, and what training does to both. → 05
# - Araujo, Norris and Sim, 2019: *Computing receptive fields of convolutional neural networks*, Distill,
#   [doi:10.23915/distill.00021](https://doi.org/10.23915/distill.00021). Size, start and jump for every
#   kind of network, with drawings. → 05
# - Yu and Koltun, 2015: *Multi-scale context aggregation by dilated convolutions*, ICLR 2016,
#   [arXiv:1511.07122](https://arxiv.org/abs/1511.07122). Doubling dilations, for segmentation. → 05
# - Wang and others, 2017: *Understanding convolution for semantic segmentation*, WACV 2018,
#   [arXiv:1702.08502](https://arxiv.org/abs/1702.08502). Gridding, and dilations without a common factor
#   against it. → 05
#
# ## Training
#
# - Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, 2014: *Dropout: a simple way to prevent
#   neural networks from overfitting*, [JMLR 15](https://jmlr.org/papers/v15/srivastava14a.html). Units
#   dropped at random, and many experiments on when it helps. → 06
# - Ioffe and Szegedy, 2015: *Batch normalization: accelerating deep network training by reducing internal
#   covariate shift*, ICML 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167). The layer, and the
#   reason its authors gave for it. → 06
# - Santurkar, Tsipras, Ilyas and Madry, 2018: *How does batch normalization help optimization?*, NeurIPS
#   2018, [arXiv:1805.11604](https://arxiv.org/abs/1805.11604). Doubts that reason and measures another.
#   → 06
# - Karpathy, 2019: *A recipe for training neural networks*,
#   [karpathy.github.io](https://karpathy.github.io/2019/04/25/recipe/). In which order to look for
#   mistakes. → 06
#
# ## The landmark architectures
#
# - Krizhevsky, Sutskever and Hinton, 2012: *ImageNet classification with deep convolutional neural
#   networks* (AlexNet), NeurIPS 2012, reprinted in Communications of the ACM 60(6),
#   [doi:10.1145/3065386](https://doi.org/10.1145/3065386). ReLU, dropout, two graphics cards: the network
#   that changed the field. → 03, 05, 07, 08
# - Simonyan and Zisserman, 2014: *Very deep convolutional networks for large-scale image recognition*
#   (VGG), ICLR 2015, [arXiv:1409.1556](https://arxiv.org/abs/1409.1556). Nothing but 3×3; the argument for
#   it is in section 2.3. → 05, 07
# - Szegedy and others, 2014: *Going deeper with convolutions* (GoogLeNet), CVPR 2015,
#   [arXiv:1409.4842](https://arxiv.org/abs/1409.4842). Several kernel sizes side by side, made cheap by 1×1
#   convolutions. → 07
# - He, Zhang, Ren and Sun, 2015: *Deep residual learning for image recognition* (ResNet), CVPR 2016,
#   [arXiv:1512.03385](https://arxiv.org/abs/1512.03385). Sections 3 and 4 are chapter 07; figure 6 has the
#   1,202 layers. → 05, 07, 08
# - He, Zhang, Ren and Sun, 2016: *Identity mappings in deep residual networks*, ECCV 2016,
#   [arXiv:1603.05027](https://arxiv.org/abs/1603.05027). BatchNorm and ReLU moved before the
#   convolutions, and why the shortcut should stay clean. → 07
# - Huang, Liu, van der Maaten and Weinberger, 2016: *Densely connected convolutional networks* (DenseNet),
#   CVPR 2017, [arXiv:1608.06993](https://arxiv.org/abs/1608.06993). Concatenate instead of adding. → 07
# - Balduzzi and others, 2017: *The shattered gradients problem: if resnets are the answer, then what is the
#   question?*, ICML 2017, [arXiv:1702.08591](https://arxiv.org/abs/1702.08591). What is wrong with a plain
#   net's gradients, if not their size: they resemble noise. → 07
# - De and Smith, 2020: *Batch normalization biases residual blocks towards the identity function in deep
#   networks*, NeurIPS 2020, [arXiv:2002.10444](https://arxiv.org/abs/2002.10444). How BatchNorm keeps F
#   small, and what can take its place. → 07
#
# ## Doing with less
#
# - Xie, Girshick, Dollár, Tu and He, 2016: *Aggregated residual transformations for deep neural networks*
#   (ResNeXt), CVPR 2017, [arXiv:1611.05431](https://arxiv.org/abs/1611.05431). Three ways to draw the same
#   block, and why many narrow paths beat one wide. → 08
# - Howard and others, 2017: *MobileNets: efficient convolutional neural networks for mobile vision
#   applications*, [arXiv:1704.04861](https://arxiv.org/abs/1704.04861). The cost in formulas, and the
#   comparison with the dense network in table 4. → 08
# - Hu, Shen, Albanie, Sun and Wu, 2017: *Squeeze-and-excitation networks*, CVPR 2018,
#   [arXiv:1709.01507](https://arxiv.org/abs/1709.01507). Where the gates help, and what they learn layer
#   by layer. → 08
# - Sandler, Howard, Zhu, Zhmoginov and Chen, 2018: *MobileNetV2: inverted residuals and linear
#   bottlenecks*, CVPR 2018, [arXiv:1801.04381](https://arxiv.org/abs/1801.04381). Wide inside, narrow
#   outside; figure 1 shows what a ReLU destroys. → 08
# - Tan and Le, 2019: *EfficientNet: rethinking model scaling for convolutional neural networks*, ICML
#   2019, [arXiv:1905.11946](https://arxiv.org/abs/1905.11946). Compound scaling, with the one-sided
#   scalings beside it. → 08
# - Huang and others, 2018: *GPipe: efficient training of giant neural networks using pipeline
#   parallelism*, NeurIPS 2019, [arXiv:1811.06965](https://arxiv.org/abs/1811.06965). The network with 557
#   million parameters that EfficientNet is compared with. → 08
# - Wightman, Touvron and Jégou, 2021: *ResNet strikes back: an improved training procedure in timm*,
#   [arXiv:2110.00476](https://arxiv.org/abs/2110.00476). What a recipe is worth. → 08
# - Williams, Waterman and Patterson, 2009: *Roofline: an insightful visual performance model for multicore
#   architectures*, Communications of the ACM 52(4),
#   [doi:10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785). Why fewer operations need not
#   be faster, in one picture for any program. → 08
#
# ## A label for every pixel, and boxes
#
# - Girshick, Donahue, Darrell and Malik, 2013: *Rich feature hierarchies for accurate object detection and
#   semantic segmentation* (R-CNN), CVPR 2014, [arXiv:1311.2524](https://arxiv.org/abs/1311.2524). Boxes by
#   proposing regions, then classifying each. → 09
# - Long, Shelhamer and Darrell, 2014: *Fully convolutional networks for semantic segmentation* (FCN), CVPR
#   2015, [arXiv:1411.4038](https://arxiv.org/abs/1411.4038). A classifier without its end, and finer
#   answers from earlier layers. → 09
# - Ronneberger, Fischer and Brox, 2015: *U-Net: convolutional networks for biomedical image segmentation*,
#   MICCAI 2015, [arXiv:1505.04597](https://arxiv.org/abs/1505.04597). Thirty images to train, and what was
#   made of them. → 09
# - Redmon, Divvala, Girshick and Farhadi, 2015: *You only look once: unified, real-time object detection*
#   (YOLO), CVPR 2016, [arXiv:1506.02640](https://arxiv.org/abs/1506.02640). Boxes in one pass, from a grid.
#   → 09
# - Van den Oord and others, 2016: *WaveNet: a generative model for raw audio*,
#   [arXiv:1609.03499](https://arxiv.org/abs/1609.03499). Causal dilated convolutions along time, with
#   gates. → 09
# - Odena, Dumoulin and Olah, 2016: *Deconvolution and checkerboard artifacts*, Distill,
#   [doi:10.23915/distill.00003](https://doi.org/10.23915/distill.00003). Uneven overlaps in trained
#   networks, and the remedy. → 09
# - Chen, Papandreou, Schroff and Adam, 2017: *Rethinking atrous convolution for semantic image
#   segmentation* (DeepLab), [arXiv:1706.05587](https://arxiv.org/abs/1706.05587). A pyramid of dilations
#   over one map. → 09
# - Weng, 2017: *Object detection for dummies*, four parts,
#   [lilianweng.github.io](https://lilianweng.github.io). From edges by hand to detectors with a
#   convolutional backbone. Listed by one of the documents below.
#
# ## Transformers, and the answer to them
#
# - Vaswani and others, 2017: *Attention is all you need*, NeurIPS 2017,
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762). Where attention in this form comes from. → 10
# - Cordonnier, Loukas and Jaggi, 2019: *On the relationship between self-attention and convolutional
#   layers*, ICLR 2020, [arXiv:1911.03584](https://arxiv.org/abs/1911.03584). Attention with enough heads
#   can be any convolution. → 10
# - Dosovitskiy and others, 2020: *An image is worth 16×16 words: transformers for image recognition at
#   scale* (ViT), ICLR 2021, [arXiv:2010.11929](https://arxiv.org/abs/2010.11929). An image as a sentence of
#   patches, and how much data that wants: figure 3. → 10
# - Touvron and others, 2020: *Training data-efficient image transformers & distillation through attention*
#   (DeiT), ICML 2021, [arXiv:2012.12877](https://arxiv.org/abs/2012.12877). The recipe with which a ViT
#   needs ImageNet only. → 10
# - Liu and others, 2021: *Swin transformer: hierarchical vision transformer using shifted windows*, ICCV
#   2021, [arXiv:2103.14030](https://arxiv.org/abs/2103.14030). Windows, shifts, and the mask in figure 4.
#   → 10
# - Xiao and others, 2021: *Early convolutions help transformers see better*, NeurIPS 2021,
#   [arXiv:2106.14881](https://arxiv.org/abs/2106.14881). What a stem of 3×3 convolutions does for a ViT.
#   → 10
# - Raghu, Unterthiner, Kornblith, Zhang and Dosovitskiy, 2021: *Do vision transformers see like
#   convolutional neural networks?*, NeurIPS 2021, [arXiv:2108.08810](https://arxiv.org/abs/2108.08810).
#   What early layers learn to see, and with how many images. → 10
# - Liu and others, 2022: *A ConvNet for the 2020s* (ConvNeXt), CVPR 2022,
#   [arXiv:2201.03545](https://arxiv.org/abs/2201.03545). A ResNet walked towards Swin, step by step in
#   figure 2. → 05, 10
#
# ## Starting from what others learned
#
# - Yosinski, Clune, Bengio and Lipson, 2014: *How transferable are features in deep neural networks?*,
#   NeurIPS 2014, [arXiv:1411.1792](https://arxiv.org/abs/1411.1792). Layer by layer, what is general and
#   what is not. → 11
# - Zhang, Cissé, Dauphin and Lopez-Paz, 2017: *mixup: beyond empirical risk minimization*, ICLR 2018,
#   [arXiv:1710.09412](https://arxiv.org/abs/1710.09412). Training on weighted means of two images and of
#   their labels. → 11
# - Kornblith, Shlens and Le, 2018: *Do better ImageNet models transfer better?*, CVPR 2019,
#   [arXiv:1805.08974](https://arxiv.org/abs/1805.08974). Mostly, and on fine-grained classes hardly. → 11
# - He, Girshick and Dollár, 2018: *Rethinking ImageNet pre-training*, ICCV 2019,
#   [arXiv:1811.08883](https://arxiv.org/abs/1811.08883). With enough labels and time, training from
#   scratch catches up. → 11
# - Müller, Kornblith and Hinton, 2019: *When does label smoothing help?*, NeurIPS 2019,
#   [arXiv:1906.02629](https://arxiv.org/abs/1906.02629). What smoothing does to the features, and when it
#   is in the way. → 11
# - Kumar and others, 2022: *Fine-tuning can distort pretrained features and underperform
#   out-of-distribution*, ICLR 2022, [arXiv:2202.10054](https://arxiv.org/abs/2202.10054). The head first,
#   and why. → 11
#
# ## What only the code leans on
#
# - Simard, Steinkraus and Platt, 2003: *Best practices for convolutional neural networks applied to visual
#   document analysis*, ICDAR 2003,
#   [doi:10.1109/ICDAR.2003.1227801](https://doi.org/10.1109/ICDAR.2003.1227801). Elastic distortions of
#   digits. → `course_lib.data`
# - DeVries and Taylor, 2017: *Improved regularization of convolutional neural networks with cutout*,
#   [arXiv:1708.04552](https://arxiv.org/abs/1708.04552). A square of the image set to zero.
#   → `course_lib.data`
# - Alpaydin and Kaynak, 1998: *Optical recognition of handwritten digits*, UCI Machine Learning Repository.
#   The 8×8 digits of the course; scikit-learn brings their test part. → `course_lib.data`
# - Huang, Ramesh, Berg and Learned-Miller, 2007: *Labeled faces in the wild*, technical report 07-49,
#   University of Massachusetts, Amherst. The faces, of which scikit-image brings a part.
#   → `course_lib.data`
# - Nair and Hinton, 2010: *Rectified linear units improve restricted Boltzmann machines*, ICML 2010. The
#   ReLU. → `course_lib.ops`
# - Mathieu, Henaff and LeCun, 2013: *Fast training of convolutional networks through FFTs*,
#   [arXiv:1312.5851](https://arxiv.org/abs/1312.5851). Convolution as a product of spectra.
#   → `course_lib.ops`
# - Tran and others, 2014: *Learning spatiotemporal features with 3D convolutional networks*, ICCV 2015,
#   [arXiv:1412.0767](https://arxiv.org/abs/1412.0767). Kernels that slide through time, too.
#   → `course_lib.ops`
# - Ba, Kiros and Hinton, 2016: *Layer normalization*, [arXiv:1607.06450](https://arxiv.org/abs/1607.06450).
#   Statistics of each example by itself, not of the batch. → `course_lib.ops`
# - Hendrycks and Gimpel, 2016: *Gaussian error linear units (GELUs)*,
#   [arXiv:1606.08415](https://arxiv.org/abs/1606.08415). The smooth bend of transformers and of ConvNeXt.
#   → `course_lib.ops`
# - Huang, Sun, Liu, Sedra and Weinberger, 2016: *Deep networks with stochastic depth*, ECCV 2016,
#   [arXiv:1603.09382](https://arxiv.org/abs/1603.09382). Whole residual blocks left out at random.
#   → `course_lib.nets`
# - Wu and He, 2018: *Group normalization*, ECCV 2018, [arXiv:1803.08494](https://arxiv.org/abs/1803.08494).
#   Between the two: statistics of groups of channels. → `course_lib.ops`
# - Krizhevsky, 2014: *One weird trick for parallelizing convolutional neural networks*,
#   [arXiv:1404.5997](https://arxiv.org/abs/1404.5997). The AlexNet of `course_lib.nets`, which runs on one
#   graphics card. → `course_lib.nets`
# - He, Zhang, Ren and Sun, 2015: *Delving deep into rectifiers: surpassing human-level performance on
#   ImageNet classification*, ICCV 2015, [arXiv:1502.01852](https://arxiv.org/abs/1502.01852). How large
#   random weights should be, so that a signal keeps its size. → `course_lib.receptive_field_torch`
#
# ## The networks you can build
#
# `nets.create` builds each of these by name. Where its model differs from the paper, `nets.info` says how.

# %%
from IPython.display import Markdown

from course_lib import nets

papers = {}
for name in nets.list():
    papers.setdefault(nets.info(name).paper, []).append(name)
rows = ["| year | paper | by | builds |", "| --- | --- | --- | --- |"]
for paper, names in papers.items():
    info = nets.info(names[0])
    builds = ", ".join(f"`{name}`" for name in names)
    rows.append(f"| {info.year} | [{info.title}]({paper}) | {info.authors} | {builds} |")
Markdown("\n".join(rows))

# %% [markdown]
# ## The four documents
#
# The outline of the course grew from four introductions to convolutional networks. Their facts were
# checked, their sentences and their code are not used; where one of them errs or misleads, a chapter
# shows the measurement that settles it.
#
# - *CNNs and convolutions: from sliding kernels to vision transformers*, from a series on computer vision.
#   The question behind each step, weight sharing first; the architectures told as problems and fixes; what
#   a vision transformer changes; 1×1, depthwise separable, dilated and transposed convolutions.
#   → 01 to 10
# - *Convolutional neural networks: the vision branch*, chapter 12 of the *AI & ML encyclopedia* by Kader
#   Mohideen. Output sizes worked by hand, channels and feature maps, a classifier from end to end and what
#   helps it against overfitting, the start of transfer learning. → 01 to 07, 11
# - *Convolutional networks*, section 11 of a handbook. The formulas with dilation and cost, the effective
#   receptive field, residual blocks, the walk to ConvNeXt, recipes for transfer; where each idea lives in
#   production code; the convolution playground; and much of the list above: its papers, lectures, books and
#   posts. → 02, 05, 07, 08, 10, 11 and the playground
# - *Master CNNs: kernels, stride, padding & backbone evolution*, chapter 14 of *Everyone's AI*. Sizes and
#   parameter counts as examinations ask for them, bias included, and the advice to follow shapes layer by
#   layer. → 02, 03, 04, 07, 11
